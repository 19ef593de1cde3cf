// A terminal's screen as HTML, for a picture of it: the bytes go through a terminal emulator (@xterm/headless, the engine of VS
// Code's terminal), and the screen's content then becomes text in spans.

import xterm from '@xterm/headless'

/** The sixteen colours of a terminal, in the order of their numbers. */
export type Palette = readonly string[]

/**
 * @param bytes everything that was written to the terminal
 * @returns one line of HTML for each row, without empty ones at the end
 */
export async function screenHtml(bytes: string, columns: number, rows: number, palette: Palette): Promise<string> {
  const terminal = new xterm.Terminal({ cols: columns, rows, scrollback: 1000, allowProposedApi: true })
  await new Promise<void>((resolve) => terminal.write(bytes, resolve))
  const { active } = terminal.buffer
  const lines = Array.from({ length: active.length }, (_, y) => {
    let html = ''
    for (let x = 0; x < columns; x++) {
      const cell = active.getLine(y)?.getCell(x)
      if (!cell || cell.getWidth() === 0) continue // the second half of a wide one
      const style = [
        cell.isBold() ? 'font-weight:bold' : '',
        cell.isDim() ? 'opacity:.6' : '',
        cell.isFgPalette() ? `color:${palette[cell.getFgColor()] ?? 'inherit'}` : '',
      ].filter((part) => part !== '')
      const text = escape(cell.getChars() || ' ')
      html += style.length > 0 ? `<span style="${style.join(';')}">${text}</span>` : text
    }
    return html.trimEnd()
  })
  terminal.dispose()
  while (lines.at(-1) === '') lines.pop()
  return lines.join('\n')
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
