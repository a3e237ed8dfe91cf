/** Two inventories with one past, and the way of a merge from one to the other. */
import * as assert from "uvu/assert";
import { type PeerId } from "../../src/base/ids.ts";
import { type Command, type CommandResult } from "../../src/inventory/commands.ts";
import { exportPages } from "../../src/inventory/merge/export.ts";
import { InventoryMerge } from "../../src/inventory/merge-policy.ts";
import { Inventory, peer } from "./inventory.ts";

export const loserGeneration = { n: 2, id: "ab".repeat(16) };

export async function copyOf(original: Inventory): Promise<Inventory> {
  const copy = new Inventory();
  const { index, bytes } = original.machine.snapshot();
  await copy.machine.restore(bytes, index);
  copy.at = original.at;
  return copy;
}

export interface Split {
  readonly winner: Inventory;
  readonly loser: Inventory;
  readonly fork: number;
}

/** `n3` (and whoever else is named) is on the losing side. */
export async function split(original: Inventory): Promise<Split> {
  const loser = await copyOf(original);
  return { winner: original, loser, fork: original.machine.appliedIndex };
}

export const onLosingSide: readonly PeerId[] = [peer("n3")];

export function pagesOf(loser: Inventory, fork: number): readonly Uint8Array[] {
  return [...policyOf(loser).pages(fork)];
}

/** As of an export that is too large to be merged at once: first what hangs together, then record by record. */
export function pagesOfParts(loser: Inventory, fork: number): readonly Uint8Array[] {
  const cluster = loser.view.cluster()?.id ?? "";
  const source = { image: loser.machine.image(), index: loser.view.appliedIndex, cluster };
  const sizes = { exportBytes: 0, exportBaseBytes: Infinity, exportPartBytes: 2000 };
  return [...exportPages(source, fork, sizes)];
}

export function pageCommand(
  bytes: Uint8Array,
  fork: number,
  members: readonly PeerId[] = onLosingSide,
): Extract<Command, { readonly type: "merge.page" }> {
  return { type: "merge.page", generation: loserGeneration, forkIndex: fork, members, bytes };
}

/** Merges all pages, each through its bytes; answers of every page. */
export function mergeInto(
  { winner, loser, fork }: Split,
  members: readonly PeerId[] = onLosingSide,
  pages: readonly Uint8Array[] = pagesOf(loser, fork),
): readonly CommandResult[] {
  const answers = pages.map((bytes) =>
    winner.send(pageCommand(bytes, fork, members), { by: "controller" }),
  );
  const refused = answers.find(({ ok }) => !ok);
  assert.is(refused, undefined, JSON.stringify(refused));
  return answers;
}

export function policyOf(inventory: Inventory): InventoryMerge {
  return new InventoryMerge({
    view: inventory.view,
    image: () => inventory.machine.image(),
    submit: (command) => Promise.resolve(inventory.send(command, { by: "controller" })),
  });
}
