/**
 * Every option of an agent, once: the flag, the environment variable, the config file's key and the text of
 * `--help` come from this table. Precedence: flag > environment > config file > default.
 */
export interface OptionSpec {
  /** Flag without dashes; `MUSTER_` + upper snake case is the variable, lowerCamelCase the file's key. */
  readonly flag: string;
  readonly value: string;
  readonly describe: string;
  readonly repeatable?: true;
  /** Only `muster bootstrap` takes it. */
  readonly bootstrapOnly?: true;
}

export const optionTable = [
  { flag: "config", value: "FILE", describe: "config file (YAML)" },
  { flag: "data-dir", value: "DIR", describe: "where this agent keeps its identity and state" },
  { flag: "name", value: "NAME", describe: "node name (default: host name)" },
  { flag: "listen", value: "HOST:PORT", describe: "peer port (default 0.0.0.0:7700)" },
  { flag: "advertise", value: "HOST:PORT", describe: "address given to peers" },
  { flag: "api-socket", value: "PATH", describe: "unix socket of the API" },
  { flag: "api-listen", value: "HOST:PORT", describe: "also serve the API here, with a token" },
  { flag: "api-tls-cert", value: "FILE", describe: "certificate (PEM) of the network API" },
  { flag: "api-tls-key", value: "FILE", describe: "private key (PEM) of the network API" },
  {
    flag: "join",
    value: "HOST:PORT|srv:NAME",
    describe: "an agent to join, or a DNS service whose SRV records name agents",
    repeatable: true,
  },
  { flag: "join-token-file", value: "FILE", describe: "file with the join token" },
  {
    flag: "discover",
    value: "mdns",
    describe: "find members on the local network by multicast DNS, and be found",
  },
  {
    flag: "discover-interface",
    value: "NAME",
    describe: "discover on this interface only (default: all but loopback)",
    repeatable: true,
  },
  { flag: "log-level", value: "LEVEL", describe: "debug, info, warn or error" },
  { flag: "gossip-profile", value: "PROFILE", describe: "lan, wan or local" },
  {
    flag: "gossip-udp",
    value: "on|fallback|off",
    describe:
      "gossip by sealed datagrams on the peer port's number; fallback (default): where streams do not answer",
  },
  { flag: "snapshot-entries", value: "N", describe: "log entries between snapshots" },
  { flag: "max-voters", value: "N", describe: "members that vote, at most (default 5)" },
  {
    flag: "max-standbys",
    value: "N",
    describe: "members the leader streams to beside voters, at most (default 5); others observe",
  },
  {
    flag: "config-watch",
    value: "DURATION",
    describe: "how often the config repository is looked at",
  },
  { flag: "config-repo", value: "URL[#REF]", describe: "config repository", bootstrapOnly: true },
  { flag: "cluster-name", value: "NAME", describe: "name of the new cluster", bootstrapOnly: true },
  { flag: "inventory-url", value: "URL", describe: "inventory (embedded:)", bootstrapOnly: true },
  {
    flag: "user",
    value: "NAME",
    describe: "SSH user for hosts without agent",
    bootstrapOnly: true,
  },
] as const satisfies readonly OptionSpec[];

export type OptionFlag = (typeof optionTable)[number]["flag"];

export function environmentName(flag: string): string {
  return `MUSTER_${flag.toUpperCase().replaceAll("-", "_")}`;
}

export function configKey(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
