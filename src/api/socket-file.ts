/**
 * The unix socket as a file. It is bound inside a private folder, restricted, and then moved into place, so that at
 * no moment anybody else could connect; a file that a dead process left is replaced, a live one is not touched.
 */
import { chmod, lstat, mkdtemp, rename, rm, stat } from "node:fs/promises";
import { connect } from "node:net";
import path from "node:path";
import { type Clock } from "../base/clock.ts";
import { errorCode, errorMessage } from "../base/errors.ts";
import { ServerError } from "./errors.ts";

const probeTimeoutMs = 1000;
/** sun_path of Linux holds 108 bytes with the final zero. */
const longestPath = 107;

export interface PlacedSocket {
  /** Removes the file, if it is still this one. */
  remove(): Promise<void>;
}

/**
 * Has `listen` bind a socket, and puts it at `file` with mode 0600.
 * @throws ServerError SOCKET_IN_USE, SOCKET_PATH_TAKEN.
 */
export async function placeSocket(
  file: string,
  listen: (path: string) => Promise<unknown>,
  clock: Clock,
): Promise<PlacedSocket> {
  await refuseTaken(file, clock);
  const folder = await mkdtemp(path.join(path.dirname(file), ".s")).catch((error: unknown) => {
    throw taken(file, errorMessage(error));
  });
  try {
    const bound = path.join(folder, "s");
    if (Buffer.byteLength(bound) > longestPath || Buffer.byteLength(file) > longestPath) {
      throw taken(
        file,
        `longer than ${longestPath} bytes, it cannot name a unix socket; give a shorter one with --api-socket`,
      );
    }
    await listen(bound);
    await chmod(bound, 0o600);
    const { ino } = await stat(bound);
    await rename(bound, file);
    return { remove: () => removeOwn(file, ino) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function removeOwn(file: string, ino: number): Promise<void> {
  const now = await lstat(file).catch(() => null);
  if (now?.ino === ino) await rm(file, { force: true });
}

async function refuseTaken(file: string, clock: Clock): Promise<void> {
  const found = await lstat(file).catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return null;
    throw taken(file, errorMessage(error));
  });
  if (found === null) return;
  if (!found.isSocket()) throw taken(file, "there is something else at this path");
  if (await isAnswered(file, clock)) {
    const message = `Cannot listen on "${file}": another process does; stop it, or give another --api-socket`;
    throw new ServerError("SOCKET_IN_USE", message);
  }
}

/** False only when it is certain that nobody listens. */
async function isAnswered(file: string, clock: Clock): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(file);
  const cancel = clock.setTimer(probeTimeoutMs, () => resolve(true));
  socket.once("connect", () => resolve(true));
  socket.once("error", (error) => {
    resolve(!["ECONNREFUSED", "ENOENT"].includes(errorCode(error) ?? ""));
  });
  try {
    return await promise;
  } finally {
    cancel();
    socket.destroy();
  }
}

function taken(file: string, why: string): ServerError {
  return new ServerError("SOCKET_PATH_TAKEN", `Cannot put the API's socket at "${file}": ${why}`);
}
