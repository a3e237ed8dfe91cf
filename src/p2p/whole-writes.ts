/**
 * The TCP transport writes each piece of a message by itself: length, header, body and tag of every encrypted frame
 * are four system calls and four packets. Handing it messages in one piece makes that one.
 */
import { type ConnectionEncrypter, type MessageStream } from "@libp2p/interface";
import { decodeWithoutExceptions } from "./noise-frames.ts";

type Encrypters<Components> = (components: Components) => ConnectionEncrypter;

/** `encrypters` whose connections write every message whole. */
export function inWholeWrites<Components>(
  encrypters: Encrypters<Components>,
): Encrypters<Components> {
  return (components) => {
    const encrypter = encrypters(components);
    const { secureInbound, secureOutbound } = encrypter;
    encrypter.secureInbound = async (connection, options) =>
      secured(await secureInbound.call(encrypter, whole(connection), options));
    encrypter.secureOutbound = async (connection, options) =>
      secured(await secureOutbound.call(encrypter, whole(connection), options));
    return encrypter;
  };
}

function secured<T extends { readonly connection: MessageStream }>(result: T): T {
  decodeWithoutExceptions(result.connection);
  return result;
}

function whole<T extends MessageStream>(connection: T): T {
  const send = connection.send.bind(connection);
  connection.send = (data) => send(data.subarray());
  return connection;
}
