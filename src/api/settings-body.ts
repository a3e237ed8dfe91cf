/** The settings as the API shows them and as they are kept: durations are texts there and milliseconds here. */
import { formatDuration, parseDuration } from "../base/duration.ts";
import { type Json, isJsonObject } from "../base/json.ts";
import { type Settings } from "../inventory/records.ts";
import {
  defaultSurvivorSettings,
  type SurvivorSettings,
  survivorPolicies,
} from "../inventory/survivor-settings.ts";
import { type SettingsAnswer } from "./contract/variables.ts";
import { ApiError } from "./problems.ts";

export function settingsBody({
  autoCommission,
  repair,
  survivor = defaultSurvivorSettings,
}: Settings): SettingsAnswer["settings"] {
  const { auto, silenceMs, coldMs, hold, fence } = survivor;
  return {
    autoCommission,
    repair,
    survivor: {
      auto,
      silence: formatDuration(silenceMs),
      cold: formatDuration(coldMs),
      hold,
      fence:
        fence === null
          ? null
          : { command: fence.command, timeout: formatDuration(fence.timeoutMs) },
    },
  };
}

/** A body that a merge patch was applied to, which can leave it half filled in. @throws ApiError INVALID. */
export function parseSettings(merged: Json): Settings {
  const body = (isJsonObject(merged) ? merged : {}) as Partial<Record<keyof Settings, Json>>;
  const { autoCommission = null, repair, survivor = null } = body;
  if (repair !== "off" && repair !== "report" && repair !== "auto") {
    throw new ApiError("INVALID", 'settings.repair must be "off", "report" or "auto"');
  }
  return {
    autoCommission: parseAutoCommission(autoCommission),
    repair,
    survivor: parseSurvivor(survivor),
  };
}

function parseAutoCommission(value: Json): Settings["autoCommission"] {
  if (value === null) return null;
  if (isJsonObject(value)) {
    const { selector, roles } = value;
    if (typeof selector === "string" && Array.isArray(roles)) {
      return { selector, roles: roles.map(String) };
    }
  }
  const message = "settings.autoCommission needs both selector and roles, or must be null";
  throw new ApiError("INVALID", message);
}

function parseSurvivor(value: Json): SurvivorSettings {
  const { auto, silence, cold, hold, fence = null } = isJsonObject(value) ? value : {};
  const policy = survivorPolicies.find((known) => known === auto);
  if (policy === undefined || typeof hold !== "boolean") {
    const known = survivorPolicies.join(", ");
    const message = `settings.survivor.auto must be one of ${known}, settings.survivor.hold true or false`;
    throw new ApiError("INVALID", message);
  }
  return {
    auto: policy,
    silenceMs: durationOf("survivor.silence", silence),
    coldMs: durationOf("survivor.cold", cold),
    hold,
    fence: parseFence(fence),
  };
}

function parseFence(value: Json): SurvivorSettings["fence"] {
  if (value === null) return null;
  const { command, timeout = "30s" } = isJsonObject(value) ? value : {};
  if (!Array.isArray(command)) {
    const message = "settings.survivor.fence needs a command (a list), or must be null";
    throw new ApiError("INVALID", message);
  }
  return { command: command.map(String), timeoutMs: durationOf("survivor.fence.timeout", timeout) };
}

function durationOf(key: string, value: Json | undefined): number {
  const milliseconds = typeof value === "string" ? parseDuration(value) : null;
  if (milliseconds !== null && Number.isSafeInteger(milliseconds)) return milliseconds;
  throw new ApiError("INVALID", `settings.${key} must be a duration such as 30s, 2m or 1h30m`);
}
