/**
 * Yamux tells the sender how much of a stream's window is free again. The library does so after every frame it
 * read, a message of its own (encrypted, written, read) per message; like other implementations of Yamux this waits
 * until half of the window is used up, so that the sender never runs dry.
 */
import { type Stream } from "@libp2p/interface";

/** What the library's stream has beyond its interface. */
interface YamuxStream {
  readonly recvWindow: number;
  readonly recvWindowCapacity: number;
  sendWindowUpdate(): void;
}

/** Makes `stream` save window updates; one that is not Yamux's stays as it is. */
export function saveWindowUpdates(stream: Stream): void {
  if (!isYamux(stream)) return;
  const send = stream.sendWindowUpdate.bind(stream);
  stream.sendWindowUpdate = () => {
    if (stream.recvWindowCapacity * 2 <= stream.recvWindow) send();
  };
}

function isYamux(stream: object): stream is YamuxStream {
  return "recvWindow" in stream && "recvWindowCapacity" in stream && "sendWindowUpdate" in stream;
}
