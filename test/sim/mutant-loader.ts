/**
 * Loads production with some of its lines changed, beside the real one. Production code needs no switches for this, and
 * a change that no longer fits the source fails loudly instead of testing nothing.
 */
import { registerHooks } from "node:module";
import type * as Production from "./production.ts";

export interface Edit {
  /** Below src/. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const sources = new URL("../../src/", import.meta.url).href;
const entry = new URL("production.ts", import.meta.url).href;
/** Types shared with the simulator: errors and assertions of a twin are those of everybody. */
const common = `${sources}base/`;

/** The classes of production with `edits`: own copies of all their modules. `slot` tells several twins apart. */
export async function loadTwin(
  name: string,
  edits: readonly Edit[],
  slot: number,
): Promise<typeof Production> {
  const query = `?twin=${slot}`;
  const applied = new Set<Edit>();
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      const inherits = context.parentURL?.endsWith(query) === true;
      const own = resolved.url.startsWith(sources) && !resolved.url.startsWith(common);
      return inherits && own ? { ...resolved, url: resolved.url + query } : resolved;
    },
    load(url, context, next) {
      const loaded = next(url, context);
      if (!url.endsWith(query)) return loaded;
      const file = url.slice(sources.length, -query.length);
      let source = String(loaded.source);
      for (const edit of edits) {
        if (edit.file !== file) continue;
        if (source.split(edit.find).length !== 2) {
          throw new Error(`"${name}" does not fit ${file} exactly once`);
        }
        source = source.replace(edit.find, () => edit.replace);
        applied.add(edit);
      }
      return { ...loaded, source };
    },
  });
  try {
    const twin = (await import(`${entry}${query}`)) as typeof Production;
    const missed = edits.find((edit) => !applied.has(edit));
    if (missed !== undefined)
      throw new Error(`"${name}" edits ${missed.file}, which is not loaded`);
    return twin;
  } finally {
    hooks.deregister();
  }
}
