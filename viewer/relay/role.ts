/** What a viewer may do: `full` may act on the guest where the relay lets anybody, `view` only looks. */
export type Role = 'full' | 'view';
