// Times as people read them. Pure.

/** This machine's local time: `14:03:11`. */
export function clockTime(at: number): string {
  return new Date(at).toTimeString().slice(0, 8)
}

/** How long a request took, at most seven characters: `3.4 ms`, `120 ms`, `12.3 s`, `9 min`, `30 h`. */
export function spokenMs(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  return ms < 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`
}

/** How long something lasted: `12 s`, `4 min`, `3 h 5 min`, `2 d 4 h`. */
export function spokenDuration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}
