/**
 * What agents of a cluster say about themselves on the local network (RFC 6762, 6763): a service instance with host
 * and port. The service's name has the first eight characters of the cluster's id, so that clusters on one network
 * do not hear of each other. Nothing here is proven: an address is only somewhere to try.
 */
import { createHash } from "node:crypto";
import { isIP } from "node:net";
import { type HostPort, parseHostPort } from "./address.ts";

/** The part of a DNS record that matters here. */
export type MdnsRecord =
  | { readonly type: "PTR"; readonly name: string; readonly ttl: number; readonly data: string }
  | {
      readonly type: "A" | "AAAA";
      readonly name: string;
      readonly ttl: number;
      readonly data: string;
    }
  | {
      readonly type: "SRV";
      readonly name: string;
      readonly ttl: number;
      readonly data: { readonly target: string; readonly port: number };
    };

export interface Heard {
  readonly label: string;
  readonly address: HostPort;
  /** 0: it says good-bye. */
  readonly ttlMs: number;
}

/** RFC 6762 §10: of records that hold a host's name or address. */
const ttlSeconds = 120;
const maxRecords = 64;
const labelPattern = /^[a-z0-9-]{1,63}$/;

export function serviceName(clusterId: string): string {
  return `_muster-${clusterId.slice(0, 8)}._tcp.local`;
}

/** By which those find a cluster who know no more than its name: they are about to form one that is called so. */
export function nameService(clusterName: string): string {
  const digest = createHash("sha256").update(`muster cluster name ${clusterName}`).digest("hex");
  return `_muster-${digest.slice(0, 8)}._tcp.local`;
}

/** @param leaves says good-bye: others forget the address. */
export function announcement(
  service: string,
  { label, address }: { readonly label: string; readonly address: HostPort },
  leaves = false,
): readonly MdnsRecord[] {
  const ttl = leaves ? 0 : ttlSeconds;
  const instance = `${label}.${service}`;
  const family = isIP(address.host);
  const target = family === 0 ? address.host : `${label}.local`;
  const pointer = { type: "PTR", name: service, ttl, data: instance } as const;
  const where = { type: "SRV", name: instance, ttl, data: { target, port: address.port } } as const;
  if (family === 0) return [pointer, where];
  const type = family === 6 ? "AAAA" : "A";
  return [pointer, where, { type, name: target, ttl, data: address.host }];
}

/** Instances of `service` that a response names, with where they are. Whatever makes no sense is left out. */
export function instancesIn(service: string, records: readonly MdnsRecord[]): readonly Heard[] {
  const usable = records.slice(0, maxRecords);
  const hosts = new Map<string, string>();
  for (const record of usable) {
    if (record.type === "A" || record.type === "AAAA") hosts.set(lower(record.name), record.data);
  }
  return usable.flatMap((record) => {
    const name = lower(record.name);
    if (record.type !== "SRV" || !name.endsWith(`.${service}`)) return [];
    const label = name.slice(0, -service.length - 1);
    const target = lower(record.data.target);
    const host = hosts.get(target) ?? (target.endsWith(".local") ? "" : target);
    const address = parseHostPort(`${isIP(host) === 6 ? `[${host}]` : host}:${record.data.port}`);
    if (!labelPattern.test(label) || address === null || address.port === 0) return [];
    return [{ label, address, ttlMs: record.ttl * 1000 }];
  });
}

function lower(name: string): string {
  return name.toLowerCase();
}
