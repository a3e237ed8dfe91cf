/**
 * Addresses as operators write them, `host:port` or `[v6]:port`, and their multiaddr form for libp2p. A host is
 * an IP or a DNS name; names are resolved at each dial. Nothing that could smuggle a multiaddr part (`/`) passes.
 */
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { multiaddr, type Multiaddr } from "@multiformats/multiaddr";
import { AgentError } from "../base/errors.ts";
import { P2pCode } from "./errors.ts";

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const bracketed = /^\[([0-9a-fA-F:.]{2,45})\]:(\d{1,5})$/;
const plain = /^([A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?):(\d{1,5})$/;

/** The parts of `host:port`, or null when the text is not an address. Port 0 is allowed. */
export function parseHostPort(text: string): HostPort | null {
  const six = bracketed.exec(text);
  const [, host = "", digits = ""] = six ?? plain.exec(text) ?? [];
  const port = Number(digits);
  if (host === "" || port > 65535) return null;
  if (six !== null && isIP(host) !== 6) return null;
  return { host, port };
}

/** @throws AgentError ADDRESS_INVALID */
export function requireHostPort(text: string): HostPort {
  const parsed = parseHostPort(text);
  if (parsed !== null) return parsed;
  throw new AgentError(
    P2pCode.addressInvalid,
    `Address "${text}" is not HOST:PORT; write for example 10.0.0.1:7700 or [fd00::1]:7700.`,
    { address: text },
  );
}

export function formatHostPort(address: HostPort): string {
  return isIP(address.host) === 6
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`;
}

/** The multiaddr of an address; with `peer`, the dial fails unless that peer answers. */
export function toMultiaddr(address: HostPort, peer?: string): Multiaddr {
  const family = isIP(address.host);
  const kind = family === 4 ? "ip4" : family === 6 ? "ip6" : "dns";
  const suffix = peer === undefined ? "" : `/p2p/${peer}`;
  return multiaddr(`/${kind}/${address.host}/tcp/${address.port}${suffix}`);
}

/** The `host:port` of a TCP multiaddr, or its text when it is something else. */
export function fromMultiaddr(address: Multiaddr): string {
  let host = "";
  let port = 0;
  for (const part of address.getComponents()) {
    if (["ip4", "ip6", "dns", "dns4", "dns6"].includes(part.name)) host = part.value ?? "";
    if (part.name === "tcp") port = Number(part.value);
  }
  return host === "" ? address.toString() : formatHostPort({ host, port });
}

/** Who listens there listens on all addresses of the machine. */
export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** What to tell peers when the agent listens on `listen`: a wildcard becomes the first address of a NIC. */
export function defaultAdvertise(listen: HostPort): string {
  if (!isWildcard(listen.host)) return formatHostPort(listen);
  const family = listen.host === "::" ? ["IPv4", "IPv6"] : ["IPv4"];
  for (const entry of Object.values(networkInterfaces()).flat()) {
    if (entry === undefined || entry.internal || !family.includes(entry.family)) continue;
    if (entry.address.startsWith("fe80:")) continue;
    return formatHostPort({ host: entry.address, port: listen.port });
  }
  return formatHostPort({ host: "127.0.0.1", port: listen.port });
}
