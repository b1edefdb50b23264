export function guestKernelFolder(): string | undefined;
export function fetchGuestKernel(): string;
