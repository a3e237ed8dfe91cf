/**
 * Seeds: where an operator says that members can be met. `HOST:PORT` (every address of the name), or a DNS service,
 * `srv:NAME` or a name that begins with `_`, whose SRV records say hosts and ports. Resolved anew each time, as the
 * point of a name is that what it stands for changes.
 */
import { lookup, resolveSrv } from "node:dns/promises";
import { isIP } from "node:net";
import { type Clock, unlessAborted } from "../base/clock.ts";
import { AgentError, errorMessage } from "../base/errors.ts";
import { type Random, shuffle } from "../base/random.ts";
import { formatHostPort, type HostPort, parseHostPort } from "./address.ts";
import { withDeadline } from "./deadline.ts";
import { P2pCode } from "./errors.ts";

export interface Service {
  readonly name: string;
  readonly port: number;
  /** Lower ones come first (RFC 2782). */
  readonly priority: number;
}

/** DNS as a port. Rejects when the name does not resolve. */
export interface Resolver {
  /** All IPv4 and IPv6 addresses of a host. */
  addresses(name: string): Promise<readonly string[]>;
  /** SRV records of a service. */
  services(name: string): Promise<readonly Service[]>;
}

/** Hosts as the system resolves them (/etc/hosts counts), services from its name servers. */
export const systemResolver: Resolver = {
  addresses: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
  services: resolveSrv,
};

export interface Resolved {
  readonly addresses: readonly HostPort[];
  /** Seeds that have no address now, and why. */
  readonly failures: readonly { readonly seed: string; readonly error: AgentError }[];
}

export interface ResolveDeps {
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly random: Random;
}

type Seed = HostPort | { readonly service: string };

const resolveMs = 5_000;
const maxPerSeed = 64;
const maxAddresses = 256;
const servicePattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,251}[A-Za-z0-9]$/;

export function isSeed(text: string): boolean {
  return parseSeed(text) !== null;
}

function parseSeed(text: string): Seed | null {
  const service = text.startsWith("srv:") ? text.slice(4) : text.startsWith("_") ? text : null;
  if (service !== null) return servicePattern.test(service) ? { service } : null;
  const address = parseHostPort(text);
  return address === null || address.port === 0 ? null : address;
}

/** Never rejects but with the signal's reason: what cannot be resolved now is among the failures. */
export async function resolveSeeds(
  seeds: readonly string[],
  deps: ResolveDeps,
  signal: AbortSignal,
): Promise<Resolved> {
  const failures: Resolved["failures"][number][] = [];
  const found = await Promise.all(
    shuffle([...seeds], deps.random).map(async (seed) => {
      try {
        const limit = { clock: deps.clock, ms: resolveMs, signal };
        return await withDeadline(limit, (ends) => unlessAborted(resolveSeed(seed, deps), ends));
      } catch (cause) {
        signal.throwIfAborted();
        failures.push({ seed, error: unresolved(seed, cause) });
        return [];
      }
    }),
  );
  const distinct = new Map(found.flat().map((address) => [formatHostPort(address), address]));
  return { addresses: [...distinct.values()].slice(0, maxAddresses), failures };
}

async function resolveSeed(text: string, deps: ResolveDeps): Promise<readonly HostPort[]> {
  const seed = parseSeed(text);
  if (seed === null) {
    throw new AgentError(P2pCode.addressInvalid, "it is neither HOST:PORT nor srv:NAME");
  }
  if (!("service" in seed)) return resolveHost(seed, deps);
  const services = (await deps.resolver.services(seed.service))
    .filter(({ port, name }) => port > 0 && parseHostPort(`${name}:${port}`) !== null)
    .toSorted((a, b) => a.priority - b.priority)
    .slice(0, maxPerSeed);
  const answers = await Promise.allSettled(
    services.map(({ name, port }) => resolveHost({ host: name, port }, deps)),
  );
  const addresses = answers.flatMap((answer) =>
    answer.status === "fulfilled" ? answer.value : [],
  );
  const failed = answers.find((answer) => answer.status === "rejected");
  if (addresses.length === 0 && failed !== undefined) throw failed.reason;
  return nonEmpty(addresses);
}

async function resolveHost(
  { host, port }: HostPort,
  { resolver, random }: ResolveDeps,
): Promise<readonly HostPort[]> {
  if (isIP(host) !== 0) return [{ host, port }];
  const usable = (await resolver.addresses(host)).filter((address) => isIP(address) !== 0);
  const addresses = usable.slice(0, maxPerSeed).map((address) => ({ host: address, port }));
  return nonEmpty(shuffle(addresses, random));
}

function nonEmpty(addresses: readonly HostPort[]): readonly HostPort[] {
  if (addresses.length > 0) return addresses;
  throw new AgentError(P2pCode.seedUnresolved, "the name has no address");
}

function unresolved(seed: string, cause: unknown): AgentError {
  const reason = errorMessage(cause).replace(/\.$/, "");
  const text = `Could not resolve seed "${seed}": ${reason}.`;
  return new AgentError(P2pCode.seedUnresolved, text, { seed }, { cause });
}
