/** Small texts of values: ages, sizes, maps. */
const units: readonly (readonly [number, string])[] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1000, "s"],
];

/** `3m`, `2h`, `5d`: how long ago a time of the API was, in its largest unit. */
export function age(time: string | null, nowMs: number): string {
  if (time === null) return "-";
  const ms = Math.max(0, nowMs - Date.parse(time));
  const unit = units.find(([size]) => ms >= size);
  return unit === undefined ? "0s" : `${Math.floor(ms / unit[0])}${unit[1]}`;
}

/** From one time to another, or until now while the second is not known: `1.2s`, `3m04s`. */
export function span(from: string | null, to: string | null, nowMs: number): string {
  if (from === null) return "-";
  const seconds = Math.max(0, (to === null ? nowMs : Date.parse(to)) - Date.parse(from)) / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)}s`;
  const rest = Math.floor(seconds % 60);
  return `${Math.floor(seconds / 60)}m${String(rest).padStart(2, "0")}s`;
}

export function bytes(count: number): string {
  const names = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < names.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${names[unit] ?? "B"}`;
}

export function list(items: readonly string[]): string {
  return items.length === 0 ? "-" : items.join(",");
}

export function pairs(record: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(record);
  if (entries.length === 0) return "-";
  return entries.map(([key, value]) => `${key}=${plain(value)}`).join(",");
}

/** A value as an operator would type it: texts bare, the rest as JSON. */
export function plain(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function short(commit: string | null): string {
  return commit === null ? "-" : commit.slice(0, 12);
}
