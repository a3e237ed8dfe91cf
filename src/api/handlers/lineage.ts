/** Conflicts that merges left to operators, and recovery from a lost quorum. */
import { type JournalRecord } from "../../inventory/lineage-records.ts";
import { type InventoryView } from "../../inventory/view.ts";
import { type ApiContext, type LineagePort } from "../context.ts";
import { type ConflictAnswer } from "../contract/lineage.ts";
import { type ApiRequest, type Handlers, type Reply, write } from "../handler.ts";
import { ApiError } from "../problems.ts";
import { toConflict, toGeneration, toPlan } from "../views/lineage.ts";
import { secretNames } from "../views/secrets.ts";
import { ascending, pageOf } from "./paging.ts";

type LineageRoutes =
  | "listConflicts"
  | "getConflict"
  | "applyConflict"
  | "discardConflict"
  | "recover";

export const lineageHandlers: Handlers<LineageRoutes> = {
  listConflicts: ({ query }, { view }) => {
    const { generation = "", state } = query;
    const wanted = view
      .journal()
      .filter((entry) => entry.generation.startsWith(generation))
      .filter(({ resolution }) => state === undefined || resolution === state);
    const key = (entry: JournalRecord): string => `${entry.generation}/${entry.key}`;
    const { items, next } = pageOf(wanted, query, { key, after: ascending });
    const secrets = secretNames(view);
    return { value: { items: items.map((entry) => toConflict(view, entry, secrets)), next } };
  },

  getConflict: ({ params }, { view }) => reply(view, find(view, params.id)),

  applyConflict: (request, context) => resolve(request, context, "journal.apply"),

  discardConflict: (request, context) => resolve(request, context, "journal.discard"),

  recover: async ({ body }, context) => {
    const lineage = joined(context);
    if ("plan" in body) {
      const plan = toPlan(context.view, await lineage.plan());
      return { value: { plan, generation: null } };
    }
    const generation = await lineage.recover(body.confirm);
    return { value: { plan: null, generation: toGeneration(context.view, generation) } };
  },
};

async function resolve(
  request: ApiRequest<"applyConflict" | "discardConflict">,
  context: ApiContext,
  type: "journal.apply" | "journal.discard",
): Promise<Reply<ConflictAnswer>> {
  const { generation, key } = find(context.view, request.params.id);
  await write(context, request, { type, generation, key });
  return reply(context.view, find(context.view, request.params.id));
}

/** By its id, or by how the id of exactly one begins. */
function find(view: InventoryView, text: string): JournalRecord {
  const entries = view.journal();
  const exact = entries.find(({ id }) => id === text);
  if (exact !== undefined) return exact;
  const begins =
    text.length < shortestPrefix ? [] : entries.filter(({ id }) => id.startsWith(text));
  const [only, second] = begins;
  if (only === undefined) {
    throw new ApiError("NOT_FOUND", `There is no conflict "${text}"`, { conflict: text });
  }
  if (second === undefined) return only;
  const message = `"${text}" is the beginning of ${begins.length} conflicts; give more of the id`;
  throw new ApiError("AMBIGUOUS", message, { candidates: begins.slice(0, 20).map(({ id }) => id) });
}

const shortestPrefix = 3;

function reply(view: InventoryView, entry: JournalRecord): Reply<ConflictAnswer> {
  return { value: toConflict(view, entry, secretNames(view)), version: entry.version };
}

function joined(context: ApiContext): LineagePort {
  const lineage = context.lineage();
  if (lineage !== null) return lineage;
  throw new ApiError("NO_CLUSTER", "This agent has not joined a cluster yet");
}
