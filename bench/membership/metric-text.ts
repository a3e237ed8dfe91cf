/** The sum over all series of a metric in Prometheus text; with `label`, only of those that carry it (`name="value"`). */
export function sumOfMetric(text: string, name: string, label = ""): number {
  let sum = 0;
  for (const line of text.split("\n")) {
    const next = line.charAt(name.length);
    if (!line.startsWith(name) || (next !== " " && next !== "{") || !line.includes(label)) continue;
    sum += Number(line.slice(line.lastIndexOf(" ") + 1));
  }
  return sum;
}
