/**
 * Whether the standard `OTEL_*` environment asks for traces. The SDK reads the same variables for everything else:
 * endpoint, headers, protocol, sampler, batch and span limits.
 * Source: OpenTelemetry Environment Variable Specification.
 */

/** Environment variables by name, as of the start of the process. */
export type Environment = Readonly<Record<string, string | undefined>>

/** On, or why not. `unknown` are exporters that were asked for and do not exist. */
export type TracingChoice =
  | { readonly _tag: "On" }
  | { readonly _tag: "Off"; readonly reason: "not_configured" | "disabled" | "exporter_none" }
  | { readonly _tag: "Off"; readonly reason: "exporter_unknown"; readonly unknown: ReadonlyArray<string> }

/** Exporters of the SDK, as `OTEL_TRACES_EXPORTER` names them. */
export const TRACE_EXPORTERS: ReadonlyArray<string> = ["otlp", "console", "zipkin"]

/** Name of the service unless the environment gives one. */
export const SERVICE_NAME = "relaymill"

/** On only if an exporter or an OTLP endpoint is named and nothing forbids it. */
export const tracingChoice = (environment: Environment): TracingChoice => {
  if (valueOf(environment, "OTEL_SDK_DISABLED").toLowerCase() === "true") return { _tag: "Off", reason: "disabled" }
  const exporters = valueOf(environment, "OTEL_TRACES_EXPORTER")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")
  if (exporters.includes("none")) return { _tag: "Off", reason: "exporter_none" }
  if (exporters.length > 0) {
    const unknown = exporters.filter((name) => !TRACE_EXPORTERS.includes(name))
    return unknown.length < exporters.length ? { _tag: "On" } : { _tag: "Off", reason: "exporter_unknown", unknown }
  }
  const hasEndpoint = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"].some(
    (name) => valueOf(environment, name) !== ""
  )
  return hasEndpoint ? { _tag: "On" } : { _tag: "Off", reason: "not_configured" }
}

/** `SERVICE_NAME`, or undefined where the environment names the service and the SDK will read it. */
export const serviceName = (environment: Environment): string | undefined =>
  valueOf(environment, "OTEL_SERVICE_NAME") !== "" ||
  /(?:^|,)\s*service\.name\s*=/.test(valueOf(environment, "OTEL_RESOURCE_ATTRIBUTES"))
    ? undefined
    : SERVICE_NAME

/**
 * Share of root traces that are recorded, where a link to a recorded span has to count as a parent that was recorded;
 * undefined for every other sampler, which the SDK makes by itself. A ratio that is none counts as 1, as in the SDK.
 */
export const linkedRatio = (environment: Environment): number | undefined => {
  switch (valueOf(environment, "OTEL_TRACES_SAMPLER")) {
    case "parentbased_always_off":
      return 0
    case "parentbased_traceidratio": {
      const text = valueOf(environment, "OTEL_TRACES_SAMPLER_ARG")
      const ratio = text === "" ? 1 : Number(text)
      return ratio >= 0 && ratio <= 1 ? ratio : 1
    }
    default:
      return undefined
  }
}

/** Empty and unset are the same. */
const valueOf = (environment: Environment, name: string): string => environment[name]?.trim() ?? ""
