import { KvmfrError } from '../protocol/error.ts';
import { Client, type ClientOptions } from './client.ts';
import { defaultRegionPath } from './open.ts';
import type { SessionInfo } from './session.ts';

/** A client that has been attached: it knows a session, be it that of a publisher that is gone. */
export type ConnectedClient = Client & { readonly session: SessionInfo };

function hasSession(client: Client): client is ConnectedClient {
  return client.session !== undefined;
}

/**
 * Opens a region and waits for a live publisher in it.
 *
 * @throws what the signal was aborted with; and what time does not mend: ERR_KVMFR_ARGUMENT,
 *   ERR_KVMFR_NATIVE, ERR_KVMFR_UNSUPPORTED
 */
export async function connect(
  path: string = defaultRegionPath(),
  options: ClientOptions = {},
): Promise<ConnectedClient> {
  options.signal?.throwIfAborted();
  const client = new Client(path, options);
  try {
    await client.attached(options.signal);
    if (hasSession(client)) return client;
    throw new KvmfrError('ERR_KVMFR_CLOSED', `the client of ${path} was closed`);
  } catch (error) {
    await client.close();
    throw error;
  }
}
