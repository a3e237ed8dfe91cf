/**
 * The libp2p node with every setting that matters said aloud. The library's defaults (5 inbound connections a
 * second per host, 10 pending, windows that grow to 16 MiB and let bulk delay heartbeats by a second) suit a
 * public network, not a cluster whose thousand members may all come back at once.
 */
import { createLibp2p, type Libp2p } from "libp2p";
import { noise } from "@libp2p/noise";
import { tcp, type TCPSocketOptions } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { type ConnectionGater, type Ed25519PrivateKey } from "@libp2p/interface";
import { type Multiaddr } from "@multiformats/multiaddr";
import { formatHostPort, fromMultiaddr, type HostPort, requireHostPort } from "./address.ts";
import { maxDialsAtOnce } from "./dial-slots.ts";
import { inWholeWrites } from "./whole-writes.ts";

/** A silent peer's socket is closed after this; keep-alives come at most every minute. */
const socketIdleMs = 150_000;
const neverMs = 2 ** 31 - 1;
/** Whose kernel does not answer in this time is not there: the next address is tried. */
const connectMs = 5_000;
/**
 * Whose kernel did answer may have a machine that is busy, with many who connect at once. To give up then, and begin
 * again, costs both sides a second handshake, and makes it busier.
 */
const handshakeMs = 45_000;
/** What a dial may take in all. */
export const dialMs = connectMs + handshakeMs;
const dialOpts: TCPSocketOptions & { readonly timeout: number } = { timeout: connectMs };

export interface NodeSettings {
  readonly privateKey: Ed25519PrivateKey;
  readonly listen: Multiaddr;
  readonly gater: ConnectionGater;
  readonly maxConnections: number;
}

/** A node that is not started yet. */
export function createNode(settings: NodeSettings): Promise<Libp2p> {
  return createLibp2p({
    start: false,
    privateKey: settings.privateKey,
    addresses: { listen: [settings.listen.toString()] },
    transports: [
      tcp({
        inboundSocketInactivityTimeout: socketIdleMs,
        outboundSocketInactivityTimeout: socketIdleMs,
        backlog: 1024,
        dialOpts,
      }),
    ],
    connectionEncrypters: [inWholeWrites(noise())],
    streamMuxers: [
      yamux({
        enableKeepAlive: false,
        maxInboundStreams: 64,
        maxOutboundStreams: 256,
        streamOptions: {
          initialStreamWindowSize: 256 * 1024,
          maxStreamWindowSize: 256 * 1024,
          inactivityTimeout: neverMs,
          maxReadBufferLength: 4 * 1024 * 1024,
          maxWriteBufferLength: 16 * 1024 * 1024,
        },
      }),
    ],
    connectionGater: settings.gater,
    connectionMonitor: { enabled: false },
    connectionManager: {
      maxConnections: settings.maxConnections,
      inboundConnectionThreshold: 1000,
      maxIncomingPendingConnections: 512,
      maxParallelDials: maxDialsAtOnce,
      maxDialQueueLength: 4096,
      dialTimeout: 10_000,
      addressDialTimeout: handshakeMs,
      inboundUpgradeTimeout: handshakeMs,
      reconnectRetries: 0,
    },
    // No address announced by libp2p is ever used: addresses come from the inventory and from gossip.
    peerStore: { addressFilter: () => false },
  });
}

/** With the port that the system chose, when it was to choose one. */
export function whereListens(node: Libp2p, listen: HostPort): string {
  const [first] = node.getMultiaddrs();
  if (first === undefined) return formatHostPort(listen);
  return formatHostPort({ host: listen.host, port: requireHostPort(fromMultiaddr(first)).port });
}
