/** A transcript as lines, the way a follower of a job's log gets it. */
import { LineSplitter, type TranscriptLine } from "../../src/api/logs/line-splitter.ts";
import { type TranscriptRange, type TranscriptPart } from "../../src/config-engine/ports.ts";

export type ReadTranscript = (range: TranscriptRange) => Promise<TranscriptPart>;

/** Lines from an offset on: until the run has ended when `follow`, else until what is there now. */
export async function* transcriptLines(
  read: ReadTranscript,
  options: { readonly from?: number; readonly follow?: boolean } = {},
): AsyncGenerator<TranscriptLine, void, undefined> {
  let offset = options.from ?? 0;
  const splitter = new LineSplitter(offset);
  for (;;) {
    const waitMs = options.follow === true ? 10_000 : 0;
    const part = await read({ offset, maxBytes: 256 * 1024, waitMs });
    for (const chunk of part.chunks) yield* splitter.push(chunk);
    offset = part.nextOffset;
    if (part.complete) return yield* splitter.flush();
    if (options.follow !== true && part.chunks.length === 0) return;
  }
}
