/** `muster events`: what happened to the inventory, or what agents told each other; `muster event` tells them. */
import { readFileSync } from "node:fs";
import { type Command } from "commander";
import { type Event } from "../../api/contract/events.ts";
import { type UserEvent } from "../../api/contract/user-events.ts";
import { type ApiClient } from "../../api/client.ts";
import { errorMessage, isAgentError } from "../../base/errors.ts";
import { type OutputFlags, withOutput } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { printStream } from "../follow-stream.ts";
import { type Format, printSingle, renderStreamed } from "../render/output.ts";
import { oneLine } from "../render/table.ts";
import { usage } from "../usage.ts";

interface EventFlags extends OutputFlags {
  readonly follow?: boolean;
  readonly since?: string;
  readonly user?: boolean;
}

export function addEventCommands(program: Command, context: CliContext): void {
  withOutput(program.command("events"))
    .description("what happened, oldest first")
    .option("-f, --follow", "go on until Ctrl-C")
    .option("--since <SINCE>", "1h (back from now), an RFC 3339 time, or an event's id (-o wide)")
    .option(
      "--user",
      "user events instead: the last ones this agent heard; --since takes their ids",
    )
    .action(async ({ follow, since, user, output }: EventFlags) => {
      const query = {
        ...(follow === true ? { follow } : {}),
        ...(since === undefined ? {} : { since }),
      };
      const isUser = user === true;
      const count = await (isUser ? printUserEvents : printEvents)(context, query, output);
      const what = isUser ? "user events" : "events";
      if (count === 0)
        context.tell(since === undefined ? `No ${what}` : `No ${what} since ${since}`);
    });
  withOutput(program.command("event"))
    .description("tell all agents something by gossip: a user event")
    .argument("<NAME>", "what it is about, at most 64 bytes")
    .argument("[PAYLOAD]", "some text, with the name at most 512 bytes; - for stdin")
    .addHelpText(
      "after",
      "\nIt is heard, not kept: muster events --user -f on any agent follows them.",
    )
    .action(async (name: string, payload: string | undefined, { output }: OutputFlags) => {
      const body = payload === undefined ? { name } : { name, payload: payloadOf(payload) };
      const { value } = await connect(context).call("tellUserEvent", { body });
      const single = { value, name: value.id, lines: () => userEventLine(value, output) };
      await printSingle(context, single, output);
    });
}

interface StreamQuery {
  readonly follow?: boolean;
  readonly since?: string;
}

function printEvents(context: CliContext, query: StreamQuery, output: Format): Promise<number> {
  const client = connect(context);
  return printStream(
    context,
    (signal) => eventsOf(context, client, { query, signal }),
    (event) => {
      const line = eventLine(event, output);
      return renderStreamed(output, { value: event, name: event.subject, line });
    },
  );
}

/** Goes on after a heal that cost this agent its history, and says so: what both sides had comes again. */
async function* eventsOf(
  context: CliContext,
  client: ApiClient,
  { query, signal }: { readonly query: StreamQuery; readonly signal: AbortSignal },
): AsyncGenerator<Event, void, undefined> {
  for (let from = query; ; ) {
    try {
      yield* client.stream("getEvents", { query: from }, { signal });
      return;
    } catch (error) {
      const superseded = isAgentError(error, "GENERATION_SUPERSEDED") ? error : null;
      const since = superseded?.details["resumeAt"];
      if (query.follow !== true || typeof since !== "string" || since === from.since) throw error;
      context.tell(`${errorMessage(error)}. Going on after ${since}`);
      from = { ...query, since };
    }
  }
}

function printUserEvents(context: CliContext, query: StreamQuery, output: Format): Promise<number> {
  const client = connect(context);
  return printStream(
    context,
    (signal) => client.stream("getUserEvents", { query }, { signal }),
    (event) => {
      const line = userEventLine(event, output);
      return renderStreamed(output, { value: event, name: event.id, line });
    },
  );
}

function eventLine(event: Event, format: Format): string {
  const place = format === "wide" ? `${event.id} `.padEnd(12) : "";
  const subject = event.subject.padEnd(12);
  const what = `${event.type.padEnd(22)} ${subject} ${event.message} (${event.by})`;
  return oneLine(`${place}${event.time}  ${what}`);
}

function userEventLine(
  { id, time, name, node, payload, ltime }: UserEvent,
  format: Format,
): string {
  const place = format === "wide" ? `${id.padEnd(22)} ${String(ltime).padEnd(6)} ` : "";
  const text = `${place}${time}  ${name.padEnd(22)} ${node.padEnd(12)} ${payload}`;
  return oneLine(text).trimEnd();
}

/** One line end at the end is the shell's, not the payload's. */
function payloadOf(text: string): string {
  if (text !== "-") return text;
  try {
    return readFileSync(0, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    throw usage(`Cannot read the payload from standard input: ${errorMessage(error)}`);
  }
}
