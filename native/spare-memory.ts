import { addon } from './load.ts';

/**
 * Gives memory back to the system that the allocator keeps for later, in another thread. Libraries that
 * code pictures take and leave blocks of many sizes in many threads, of which glibc keeps tens of MiB.
 *
 * @returns whether any was given back; false as well where the allocator is another one
 */
export async function giveBackMemory(): Promise<boolean> {
  return (await addon().giveBackMemory()) === 1;
}
