/** `muster token` and `muster config`: who may come in, and where configuration comes from. */
import { type Command } from "commander";
import { type Config } from "../../api/contract/config.ts";
import { type BodyOf } from "../../api/contract/routes.ts";
import { type Token } from "../../api/contract/tokens.ts";
import { systemClock } from "../../base/clock.ts";
import { AgentError } from "../../base/errors.ts";
import { formatOf, withOutput } from "../arguments.ts";
import { connect, usage } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { exitCodes } from "../exit-codes.ts";
import { printListing, printSingle } from "../render/output.ts";
import { type Column, renderFields } from "../render/table.ts";
import { age, list, short } from "../render/values.ts";

interface OutputFlags {
  readonly output?: string;
}
interface CreateFlags extends OutputFlags {
  readonly kind: string;
  readonly uses?: string;
  readonly ttl?: string;
  readonly name?: string;
  readonly role?: string;
}

export function addTokenCommands(program: Command, context: CliContext): void {
  const token = program
    .command("token")
    .description("tokens to join the cluster or to use the API");
  withOutput(token.command("create"))
    .description("make a token; its secret is shown this once")
    .option("--kind <KIND>", "join or api", "join")
    .option("--uses <N>", "how often a join token may be used (default 1)")
    .option("--ttl <DURATION>", "how long it is valid (join: default 1h)")
    .option("--name <NODE>", "the node it is for")
    .option("--role <ROLE>", "admin or reader (api tokens)")
    .action((flags: CreateFlags) => createToken(context, flags));
  withOutput(token.command("list", { isDefault: true }))
    .description("all tokens, without their secrets")
    .action(async (flags: OutputFlags) => {
      const { items } = (await connect(context).call("listTokens", {})).value;
      const nameOf = (one: Token): string => one.id;
      const listing = { items, columns: tokenColumns, nameOf, none: "No tokens" };
      await printListing(context, listing, formatOf(flags));
    });
  token
    .command("revoke")
    .description("make a token worthless at once")
    .argument("<TOKEN>", "id or unique prefix")
    .action((prefix: string) => revokeToken(context, prefix));
}

async function createToken(context: CliContext, flags: CreateFlags): Promise<void> {
  const { kind, role, uses } = flags;
  if (kind !== "join" && kind !== "api") throw usage(`Cannot use --kind "${kind}": join or api`);
  if (role !== undefined && role !== "admin" && role !== "reader") {
    throw usage(`Cannot use --role "${role}": admin or reader`);
  }
  if (uses !== undefined && !/^\d+$/.test(uses)) throw usage(`Cannot use --uses "${uses}"`);
  const body: BodyOf<"createToken"> = {
    kind,
    ...(role === undefined ? {} : { role }),
    ...(uses === undefined ? {} : { uses: Number(uses) }),
    ...(flags.ttl === undefined ? {} : { ttl: flags.ttl }),
    ...(flags.name === undefined ? {} : { name: flags.name }),
  };
  const made = (await connect(context).call("createToken", { body })).value;
  const single = { value: made, name: made.id, lines: () => made.token };
  await printSingle(context, single, formatOf(flags));
}

async function revokeToken(context: CliContext, prefix: string): Promise<void> {
  const client = connect(context);
  const { items } = (await client.call("listTokens", {})).value;
  const found = items.filter((one) => one.id.startsWith(prefix));
  const [only] = found;
  if (only === undefined) throw new AgentError("NOT_FOUND", `No token has the id "${prefix}"`);
  if (found.length > 1) {
    const ids = found.map((one) => one.id).join(", ");
    throw usage(`"${prefix}" is the beginning of several tokens: ${ids}`);
  }
  await client.call("revokeToken", { params: { id: only.id } });
  context.print(`${only.id} revoked`);
}

const tokenColumns: readonly Column<Token>[] = [
  { head: "ID", cell: (token) => token.id },
  { head: "KIND", cell: (token) => token.kind },
  { head: "STATE", cell: tokenState },
  { head: "USES LEFT", cell: (token) => String(token.usesLeft ?? "any") },
  { head: "EXPIRES", cell: (token) => token.expiresAt ?? "never" },
  { head: "FOR", cell: (token) => token.name ?? token.role ?? "-" },
  { head: "AGE", cell: (token) => age(token.createdAt, systemClock.wallMs()) },
  { head: "USED BY", cell: (token) => list(token.usedBy), wide: true },
];

function tokenState(token: Token): string {
  if (token.revokedAt !== null) return "revoked";
  if (token.usesLeft === 0) return "used";
  const expired = token.expiresAt !== null && Date.parse(token.expiresAt) < systemClock.wallMs();
  return expired ? "expired" : "valid";
}

export function addConfigCommands(program: Command, context: CliContext): void {
  const config = program.command("config").description("the config repository");
  withOutput(config.command("show", { isDefault: true }))
    .description("source, revision in force, roles, last error")
    .action(async (flags: OutputFlags) => {
      await showConfig(context, (await connect(context).call("getConfig", {})).value, flags);
    });
  withOutput(config.command("set-repo"))
    .description("use another repository, and fetch it")
    .argument("<URL[#REF]>", "git URL or directory, with a branch, tag or commit")
    .action(async (text: string, flags: OutputFlags) => {
      const client = connect(context);
      const hash = text.lastIndexOf("#");
      const url = hash < 0 ? text : text.slice(0, hash);
      const body = hash < 0 ? { url } : { url, ref: text.slice(hash + 1) };
      await client.call("putConfigSource", { body });
      await refresh(context, flags);
    });
  withOutput(config.command("refresh"))
    .description("fetch the repository now")
    .action((flags: OutputFlags) => refresh(context, flags));
}

async function refresh(context: CliContext, flags: OutputFlags): Promise<void> {
  const client = connect(context);
  const timeoutMs = 120_000;
  const config = (await client.call("refreshConfig", {}, { timeoutMs })).value;
  await showConfig(context, config, flags);
  if (config.lastError !== null) context.setExitCode(exitCodes.failed);
}

async function showConfig(context: CliContext, config: Config, flags: OutputFlags): Promise<void> {
  const { source, revision, lastError } = config;
  const lines = (): string =>
    renderFields([
      [
        "source",
        source === null ? "none" : `${source.url}${source.ref === null ? "" : `#${source.ref}`}`,
      ],
      ["revision", short(revision?.commit ?? null)],
      ["fetched", revision?.fetchedAt ?? "-"],
      ["roles", list(config.roles)],
      ["fetching", config.refreshing ? "yes" : "no"],
      ["last error", lastError === null ? "none" : `${lastError.code}: ${lastError.message}`],
    ]);
  await printSingle(
    context,
    { value: config, name: revision?.commit ?? "", lines },
    formatOf(flags),
  );
}
