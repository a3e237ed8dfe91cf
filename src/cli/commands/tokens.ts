/** `muster token`: who may join the cluster, and who may use the API. */
import { type Command } from "commander";
import { type BodyOf } from "../../api/contract/routes.ts";
import { type Token } from "../../api/contract/tokens.ts";
import { systemClock } from "../../base/clock.ts";
import { AgentError } from "../../base/errors.ts";
import { type OutputFlags, withOutput } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { printSingle } from "../render/output.ts";
import { type Column } from "../render/table.ts";
import { age, list } from "../render/values.ts";
import { usage } from "../usage.ts";
import { type WatchFlags, watchListing, withWatch } from "../watch.ts";

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
    .option("--ttl <DURATION>", "how long it is valid (default: join 1d, api for ever)")
    .option("--name <NODE>", "the node it is for")
    .option("--role <ROLE>", "admin or reader (api tokens; default reader)")
    .action((flags: CreateFlags) => createToken(context, flags));
  withWatch(withOutput(token.command("list", { isDefault: true })))
    .description("all tokens, without their secrets")
    .action(async (flags: WatchFlags) => {
      const client = connect(context);
      await watchListing(context, flags, async () => {
        const { items } = (await client.call("listTokens", {})).value;
        const none = "No tokens; make one: muster token create";
        return { items, columns: tokenColumns, nameOf: (one: Token) => one.id, none };
      });
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
  if (uses !== undefined && !/^[1-9]\d{0,5}$/.test(uses)) {
    throw usage(`Cannot use --uses "${uses}": expected a whole number of at least 1`);
  }
  const body: BodyOf<"createToken"> = {
    kind,
    ...(role === undefined ? {} : { role }),
    ...(uses === undefined ? {} : { uses: Number(uses) }),
    ...(flags.ttl === undefined ? {} : { ttl: flags.ttl }),
    ...(flags.name === undefined ? {} : { name: flags.name }),
  };
  const made = (await connect(context).call("createToken", { body })).value;
  const single = { value: made, name: made.id, lines: () => made.token };
  await printSingle(context, single, flags.output);
  const until = made.expiresAt === null ? "until it is revoked" : `until ${made.expiresAt}`;
  context.tell(`Shown this once; valid ${until}. Revoke it: muster token revoke ${made.id}`);
  if (kind === "join") context.tell("Use it: MUSTER_JOIN_TOKEN=… muster agent --join HOST:PORT");
}

/** As for jobs: less than this is a slip of the finger, not an id. */
const shortestPrefix = 3;

async function revokeToken(context: CliContext, prefix: string): Promise<void> {
  const client = connect(context);
  const { items } = (await client.call("listTokens", {})).value;
  const exact = items.filter((one) => one.id === prefix);
  const isLongEnough = prefix.length >= shortestPrefix;
  const begins = isLongEnough ? items.filter((one) => one.id.startsWith(prefix)) : [];
  const found = exact.length > 0 ? exact : begins;
  const [only] = found;
  if (only === undefined) {
    const least = isLongEnough ? "" : `; give at least ${shortestPrefix} characters of the id`;
    throw new AgentError("NOT_FOUND", `No token has the id "${prefix}"${least}`);
  }
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
