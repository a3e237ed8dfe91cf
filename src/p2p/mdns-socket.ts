/**
 * One interface's multicast socket. The library's traps: with `interface` alone it binds to that address and hears no
 * multicast on Linux; without it, it sends wherever the kernel's route points, which may be nowhere.
 */
import multicastDns from "multicast-dns";
import { type MdnsRecord } from "./mdns-records.ts";

export interface MdnsSocket {
  ask(service: string): void;
  tell(records: readonly MdnsRecord[]): void;
  /** Resolves when what was told has left. */
  close(): Promise<void>;
}

export interface MdnsListener {
  /** Somebody asks for a service. */
  readonly asked: (service: string) => void;
  readonly told: (records: readonly MdnsRecord[]) => void;
  /** The socket cannot be used. */
  readonly failed: (error: Error) => void;
  /** Somebody sent a packet that cannot be read. */
  readonly malformed: (error: Error) => void;
}

export type OpenMdnsSocket = (address: string, listener: MdnsListener) => MdnsSocket;

/** @param port 5353, but in tests */
export function mdnsSockets(port: number): OpenMdnsSocket {
  return (address, listener) => {
    const socket = multicastDns({ port, interface: address, bind: "0.0.0.0" });
    socket.on("error", listener.failed);
    socket.on("warning", listener.malformed);
    socket.on("query", ({ questions = [] }) => {
      for (const { name } of questions) listener.asked(name.toLowerCase());
    });
    socket.on("response", ({ answers = [], additionals = [] }) => {
      listener.told([...answers, ...additionals].flatMap(recordOf));
    });
    let told: Promise<void> = Promise.resolve();
    return {
      ask: (service) => socket.query(service, "PTR"),
      tell: (records) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        socket.respond(
          records.map((record) => ({ ...record })),
          () => resolve(),
        );
        told = promise;
      },
      close: async () => {
        await told;
        const { promise, resolve } = Promise.withResolvers<void>();
        socket.destroy(resolve);
        await promise;
      },
    };
  };
}

type Response = multicastDns.ResponseOutgoingPacket;

function recordOf(answer: Response["answers"][number]): MdnsRecord[] {
  if (answer.type !== "A" && answer.type !== "AAAA" && answer.type !== "SRV") return [];
  const { name, ttl = 0 } = answer;
  if (answer.type === "SRV") {
    const { target, port } = answer.data;
    return [{ type: "SRV", name, ttl, data: { target, port } }];
  }
  return [{ type: answer.type, name, ttl, data: answer.data }];
}
