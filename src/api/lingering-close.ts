/**
 * Ends a connection whose request was refused before it was read. Closing at once would reset it, and the caller
 * would lose the answer while it still sends; so what comes is read and dropped for a short time first.
 */
import { type IncomingMessage } from "node:http";
import { type Clock } from "../base/clock.ts";

const lingerMs = 1000;

/** Makes the close that follows the answer a patient one. The answer must say `Connection: close`. */
export function lingerAfter(request: IncomingMessage, clock: Clock): void {
  const { socket } = request;
  socket.destroySoon = () => {
    socket.end();
    const cancel = clock.setTimer(lingerMs, () => socket.destroy());
    socket.once("close", cancel);
  };
}
