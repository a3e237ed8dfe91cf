/** What a merge means for the inventory, as lineage drives it: pages out on the side that lost, in on the other. */
import { AgentError } from "../base/errors.ts";
import { asPeerId } from "../base/ids.ts";
import { isJsonObject } from "../base/json.ts";
import { type MergePage, type MergePolicy } from "../consensus/lineage/ports.ts";
import { type Command, type CommandResult } from "./commands.ts";
import { exportPages, isFirstPage, readPageHeader } from "./merge/export.ts";
import { type StoredRecord } from "./record-types.ts";
import { type InventoryView } from "./view.ts";

export interface MergeDeps {
  readonly view: InventoryView;
  /** The whole state of now (`InventoryStateMachine.image`). */
  readonly image: () => readonly StoredRecord[];
  /** Resolves when the command is committed and applied on this agent. */
  readonly submit: (command: Command) => Promise<CommandResult>;
}

export class InventoryMerge implements MergePolicy {
  readonly #deps: MergeDeps;

  constructor(deps: MergeDeps) {
    this.#deps = deps;
  }

  /** Of the state at the call. @throws InventoryError MERGE_TOO_LARGE, when the first page is asked for. */
  pages(fork: number): Iterable<Uint8Array> {
    const { view, image } = this.#deps;
    const cluster = view.cluster();
    // Who started over and came back before it had caught up has nothing, and belongs nowhere yet.
    if (cluster === null) return [];
    return exportPages({ image: image(), index: view.appliedIndex, cluster: cluster.id }, fork);
  }

  /** @throws AgentError with the code of the refusal (LIMIT: an operator must act first), or of `submit`. */
  async merge({ generation, forkIndex, members, bytes }: MergePage): Promise<void> {
    const header = readPageHeader(bytes);
    // An exporter that begins again sends all of it: what is merged here need not go through the log once more.
    if (header !== null && this.#isMerged(generation.id, header.name)) return;
    const result = await this.#deps.submit({
      type: "merge.page",
      generation: { n: generation.n, id: generation.id },
      forkIndex,
      members: isFirstPage(bytes) ? members.map(asPeerId) : [],
      bytes,
    });
    if (!result.ok) throw new AgentError(result.code, result.message, result.details);
    // The exporter goes on once the last page of a part is taken: by then all of it must be merged, not just waiting.
    const isLast = header !== null && header.sequence === header.pages - 1;
    if (!isLast || (isJsonObject(result.value) && result.value["merged"] === true)) return;
    const message =
      "Pages of this export were dropped meanwhile; it must be sent again from its first page";
    throw new AgentError("CONFLICT", message);
  }

  #isMerged(generation: string, name: string): boolean {
    const merges = this.#deps.view.merges();
    return merges.some(({ id, exports }) => id === generation && exports.includes(name));
  }
}
