/**
 * Shows the demo's progress: on a terminal a picture that is redrawn in place below the lines that scroll past, elsewhere
 * plain lines only. `NO_COLOR` (no-color.org) turns styles off.
 */
import { Effect, Layer, Logger } from "effect"
import { picture, pulse } from "../../domain/demo/DemoProgress.ts"
import { Screen } from "../../domain/demo/RunDemo.ts"

/** Size assumed where the terminal does not say. */
const DEFAULT_COLUMNS = 100
const DEFAULT_ROWS = 24

const CLEAR_BELOW = "\u001b[0J"
const up = (rows: number) => (rows === 0 ? "" : `\u001b[${rows}A\r`)

/** The part of a writable stream that is used. */
export interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
  readonly write: (text: string) => unknown
}

/** `Screen` over an output. `isColored` counts on a terminal only; elsewhere nothing is redrawn. */
export const layer = (output: Output, options: { readonly isColored: boolean }) =>
  Layer.sync(Screen, () => {
    const isTerminal = output.isTTY === true
    const style = (code: string, text: string) =>
      isTerminal && options.isColored ? `\u001b[${code}m${text}\u001b[0m` : text
    let drawn: ReadonlyArray<string> = []
    let told = 0n

    const redraw = (lines: ReadonlyArray<string>, above: string) => {
      output.write(`${up(drawn.length)}${CLEAR_BELOW}${above}${lines.map((line) => `${line}\n`).join("")}`)
      drawn = lines
    }

    return Screen.of({
      line: (text) =>
        Effect.sync(() => {
          const shown = text.includes(" settled at ") ? style("32", text) : text
          if (isTerminal) redraw(drawn, `${shown}\n`)
          else output.write(`${shown}\n`)
        }),
      picture: (progress) =>
        Effect.sync(() => {
          if (!isTerminal) {
            if (progress.height !== told) output.write(`${pulse(progress)}\n`)
            told = progress.height
            return
          }
          // One column stays free: a full last column would wrap on some terminals and break the count of rows.
          const lines = picture(progress, {
            columns: (output.columns ?? DEFAULT_COLUMNS) - 1,
            rows: output.rows ?? DEFAULT_ROWS
          })
          redraw(["", ...lines.map((line, row) => (row === 0 ? style("1", line) : line))], "")
        })
    })
  })

/** Log lines go to the same screen, so that they do not tear the picture. */
export const layerLogger = Layer.unwrap(
  Effect.map(Screen, (screen) =>
    Logger.layer([
      Logger.map(Logger.formatStructured, ({ level, message, annotations, cause }) => {
        const facts = Object.entries(annotations).map(([name, value]) => ` ${name}=${String(value)}`)
        Effect.runSync(screen.line(`${level.toLowerCase()}: ${String(message)}${facts.join("")}`))
        if (cause !== undefined) Effect.runSync(screen.line(cause))
      })
    ])
  )
)
