/** What is to be said about streams of events that were read to their end: are they one and the same? */
import { type Journal } from "./journal.ts";

export interface EventLine {
  readonly index: number;
  readonly seq: number;
  readonly type: string;
  readonly subject: string;
}

/** What one agent streamed. */
export interface StreamOfAgent {
  readonly name: string;
  readonly events: readonly EventLine[];
  /** What its reader saw that must not be. */
  readonly problems: readonly string[];
}

export function isAfter(a: EventLine, b: EventLine): boolean {
  return a.index > b.index || (a.index === b.index && a.seq > b.seq);
}

export const place = ({ index, seq }: EventLine): string => `${index}.${seq}`;
const same = (a: EventLine, b: EventLine): boolean => JSON.stringify(a) === JSON.stringify(b);

/** All streams, up to index `end`, must be one and the same. */
export function compareStreams(streams: readonly StreamOfAgent[], end: number): readonly string[] {
  const problems = streams.flatMap((stream) => stream.problems);
  const upTo = (stream: StreamOfAgent): readonly EventLine[] =>
    stream.events.filter(({ index }) => index <= end);
  const [first, ...rest] = streams;
  if (first === undefined) return problems;
  const reference = upTo(first);
  for (const stream of rest) {
    const events = upTo(stream);
    const at = reference.findIndex((event, i) => !events[i] || !same(event, events[i]));
    if (at < 0 && events.length === reference.length) continue;
    const where = at < 0 ? reference.length : at;
    const shown = [reference[where], events[where]].map((event) => JSON.stringify(event));
    problems.push(
      `${first.name} streamed ${reference.length} events and ${stream.name} ${events.length}; ` +
        `they part at number ${where}: ${shown.join(" and ")}`,
    );
  }
  return problems;
}

/** Every acknowledged write has its event, at its version; there are no more events than writes that may have been. */
export function compareWithWrites(
  events: readonly EventLine[],
  journal: Journal,
): readonly string[] {
  const problems: string[] = [];
  const bySubject = Map.groupBy(events, ({ subject }) => subject);
  for (const [subject, { acknowledged, unknown }] of journal.writes) {
    const seen = bySubject.get(subject) ?? [];
    const indexes = new Set(seen.map(({ index }) => index));
    for (const { version } of acknowledged) {
      if (version !== null && !indexes.has(version)) {
        problems.push(`No event of the write of ${subject} that was acknowledged as ${version}`);
      }
    }
    if (seen.length < acknowledged.length || seen.length > acknowledged.length + unknown) {
      problems.push(
        `${subject} has ${seen.length} events for ${acknowledged.length} acknowledged writes ` +
          `and ${unknown} of unknown outcome`,
      );
    }
  }
  return problems;
}
