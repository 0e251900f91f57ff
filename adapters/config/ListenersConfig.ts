/** Small servers beside the main one: `metrics`, `health_check`, `pprof`. */
import { key, section, type ValueOf, withDefault } from "./ConfigReader.ts"
import { ListenAddressText } from "./HostPort.ts"
import { flag, flagNotBuilt, withoutEffect } from "./KeyKinds.ts"

/** A key for an address to listen on. */
export const listenAddress = (fallback: string, meaning: string) =>
  withDefault(fallback, { codec: ListenAddressText, type: "`host:port`, `:port` for every interface", meaning })

/** A server that can be switched off. */
export const listener = (defaults: { readonly enabled: boolean; readonly address: string }, serves: string) =>
  section({
    enabled: key("enabled", flag(defaults.enabled, `Serve ${serves}.`)),
    address: key("addr", listenAddress(defaults.address, `Where ${serves} are served.`))
  })
/** Value of a server's section: whether and where it listens. */
export type ListenerConfig = ValueOf<ReturnType<typeof listener>>

const insteadOfProfiler = "set it to false, and use NODE_OPTIONS=--inspect or --cpu-prof to profile"
const profilerSentence = `Go's profiler does not exist here; ${insteadOfProfiler}`

/** `pprof` where the Go default is off: switching it on refuses the start. */
export const profilerOff = section({
  enabled: key("enabled", flagNotBuilt(false, "Go's profiler.", profilerSentence)),
  address: key("addr", listenAddress(":6060", "Where it would be served."))
})

/** `pprof` where the Go default is on: existing files that leave it or switch it on start. */
export const profilerOn = section({
  enabled: key("enabled", withoutEffect(flag(false, "Go's profiler, on by default there."), insteadOfProfiler)),
  address: key("addr", listenAddress("0.0.0.0:6060", "Where it would be served."))
})
