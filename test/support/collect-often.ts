// Loaded into a process under test by --import: it collects all garbage again and again, so that the effects of a rare
// collection show at once.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const INTERVAL_MS = 20

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void // set by --expose-gc
setInterval(() => {
  collect()
  process.stderr.write('collected\n')
}, INTERVAL_MS).unref()
