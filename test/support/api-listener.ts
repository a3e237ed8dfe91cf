/** An API world on a real unix socket in a folder of its own, with a typed client. */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { ApiClient } from "../../src/api/client.ts";
import { parseTarget } from "../../src/api/client/target.ts";
import { ApiServer, type ApiServerOptions } from "../../src/api/server.ts";
import { systemClock } from "../../src/base/clock.ts";
import { ApiWorld } from "./api-world.ts";

export interface Listener extends AsyncDisposable {
  readonly world: ApiWorld;
  readonly server: ApiServer;
  readonly folder: string;
  readonly socketPath: string;
  readonly client: ApiClient;
}

export async function listener(
  options: Partial<ApiServerOptions> & { readonly world?: ApiWorld } = {},
): Promise<Listener> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "muster-api-"));
  const world = options.world ?? new ApiWorld();
  const { socketPath = path.join(folder, "api.sock"), listen = null, tls = null } = options;
  const { context, metrics } = world;
  const server = new ApiServer({ socketPath, listen, tls }, { context, metrics });
  const close = async (): Promise<void> => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await server.start(new AbortController().signal);
  } catch (error) {
    await close();
    throw error;
  }
  const target = parseTarget(`unix:${socketPath}`);
  const client = new ApiClient({ target, streamGiveUpMs: 5000 }, { clock: systemClock });
  return { world, server, folder, socketPath, client, [Symbol.asyncDispose]: close };
}
