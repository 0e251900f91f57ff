/** Small servers beside the main one: `metrics`, `health_check`, `pprof`. */
import { key, section, type ValueOf, withDefault } from "./ConfigReader.ts"
import { ListenAddressText } from "./HostPort.ts"
import { flag, flagNotBuilt } from "./KeyKinds.ts"

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

const profilerSentence =
  "Go's profiler does not exist here; set it to false, and use NODE_OPTIONS=--inspect or --cpu-prof to profile"

/** `pprof` where the Go default is off: switching it on refuses the start. */
export const profilerOff = section({
  enabled: key("enabled", flagNotBuilt(false, "Go's profiler.", profilerSentence)),
  address: key("addr", listenAddress(":6060", "Without effect here."))
})

/** `pprof` where the Go default is on: it stays a setting without effect, so that existing files start. */
export const profilerOn = section({
  enabled: key("enabled", flag(true, "Go's profiler; without effect here.")),
  address: key("addr", listenAddress("0.0.0.0:6060", "Without effect here."))
})
