/** Nodes: list, show, patch, forget, and what happened to them. */
import { indexText } from "../../inventory/record-types.ts";
import { parseSelector } from "../../inventory/selector-parser.ts";
import { matchesSelector, selectorSubject } from "../../inventory/selector.ts";
import { type NodeRecord } from "../../inventory/records.ts";
import { type InventoryView } from "../../inventory/view.ts";
import { type ApiContext } from "../context.ts";
import { type Node } from "../contract/nodes.ts";
import { type QueryOf } from "../contract/routes.ts";
import {
  expectation,
  type Handlers,
  type Reply,
  write,
  written,
  writtenVersion,
} from "../handler.ts";
import { ApiError } from "../problems.ts";
import { toHistoryEntry, toLedgerEntry, toNode, toNodes } from "../views/nodes.ts";
import { refuseMasked, secretNames } from "../views/secrets.ts";
import { ascending, descending, pageOf } from "./paging.ts";

type NodeRoutes =
  | "listNodes"
  | "getNode"
  | "patchNode"
  | "forgetNode"
  | "getNodeLedger"
  | "getNodeHistory";

export const nodeHandlers: Handlers<NodeRoutes> = {
  listNodes: ({ query }, { view }) => {
    const page = pageOf(matchingNodes(view, query), query, {
      key: ({ name }) => name,
      after: ascending,
    });
    return { value: { items: toNodes(view, page.items), next: page.next } };
  },

  getNode: ({ params }, { view }) => nodeReply(view, params.name),

  patchNode: async (request, context) => {
    const { params, body } = request;
    if (body.vars !== undefined) refuseMasked(body.vars, secretNames(context.view));
    const command = { type: "node.patch", node: params.name, ...body } as const;
    const result = await write(context, request, { ...command, ...expectation(request) });
    const { value } = nodeReply(context.view, params.name);
    return written(value, writtenVersion(context, result));
  },

  forgetNode: async (request, context) => {
    const { params, query } = request;
    await write(context, request, {
      type: "node.forget",
      node: params.name,
      force: query.force === true,
      ...expectation(request),
    });
    return { value: undefined };
  },

  getNodeLedger: ({ params, query }, context) => {
    known(context, params.name);
    const { view } = context;
    const entries = view.ledger(params.name).toReversed();
    const at = new Map(entries.map((entry) => [entry.id, indexText(entry.version)]));
    const page = pageOf(entries, query, {
      key: ({ id }) => `${at.get(id) ?? ""} ${id}`,
      after: descending,
    });
    const secrets = secretNames(view);
    const items = page.items.map((entry) => toLedgerEntry(entry, secrets));
    return { value: { items, next: page.next } };
  },

  getNodeHistory: ({ params, query }, context) => {
    known(context, params.name);
    const entries = context.view
      .history(params.name)
      .map((entry, at) => ({ entry, key: `${indexText(entry.index)} ${indexText(at)}` }))
      .toReversed();
    const page = pageOf(entries, query, { key: ({ key }) => key, after: descending });
    return {
      value: { items: page.items.map(({ entry }) => toHistoryEntry(entry)), next: page.next },
    };
  },
};

function matchingNodes(view: InventoryView, query: QueryOf<"listNodes">): readonly NodeRecord[] {
  const { phase, role, reachability } = query;
  const selector = query.selector === undefined ? null : parseSelector(query.selector);
  return view
    .nodes()
    .filter(
      (node) =>
        (phase === undefined || node.phase === phase) &&
        (reachability === undefined || node.reachability === reachability) &&
        (role === undefined || view.spec(node.name).roles.includes(role)) &&
        (selector === null || matchesSelector(selector, selectorSubject(view, node))),
    );
}

function nodeReply(view: InventoryView, name: string): Reply<Node> {
  const node = toNode(view, name);
  if (node === null) throw unknownNode(name);
  return { value: node, version: node.version };
}

function known({ view }: ApiContext, name: string): void {
  if (view.node(name) === null) throw unknownNode(name);
}

export function unknownNode(name: string): ApiError {
  return new ApiError("NOT_FOUND", `There is no node "${name}"`, { node: name });
}
