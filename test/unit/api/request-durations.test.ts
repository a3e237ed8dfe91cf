/** Durations of requests in Prometheus' text format. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RequestDurations } from "../../../src/api/request-durations.ts";

const it = suite("request durations");

it("counts each request in its bucket and all above, by route, method and status", () => {
  const durations = new RequestDurations([0.1, 1]);
  durations.observe("/v1/vars/:key", "PUT", 200, 0.05);
  durations.observe("/v1/vars/:key", "PUT", 200, 0.1);
  durations.observe("/v1/vars/:key", "PUT", 200, 0.5);
  durations.observe("/v1/vars/:key", "PUT", 503, 5);
  const lines = durations.text().split("\n");
  const of = (suffix: string, labels: string) =>
    lines.find((line) => line.includes(`_seconds${suffix}{${labels}}`))?.split(" ")[1];
  const ok = 'route="/v1/vars/:key",method="PUT",status="200"';
  assert.is(of("_bucket", `le="0.1",${ok}`), "2");
  assert.is(of("_bucket", `le="1",${ok}`), "3");
  assert.is(of("_bucket", `le="+Inf",${ok}`), "3");
  assert.is(of("_sum", ok), "0.65");
  assert.is(of("_count", ok), "3");
  const refused = 'route="/v1/vars/:key",method="PUT",status="503"';
  assert.is(of("_bucket", `le="1",${refused}`), "0");
  assert.is(of("_bucket", `le="+Inf",${refused}`), "1");
});

it("describes itself before anything was counted", () => {
  const text = new RequestDurations([1]).text();
  assert.match(text, /^# HELP muster_api_request_duration_seconds .+\n# TYPE \S+ histogram\n$/);
});

it.run();
