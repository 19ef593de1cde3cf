// What is found behind the configuration, such as a port that is taken or a certificate that is not there, names a key by
// its path. Here it gets the line of that key, as what is found inside of it has.

import { ConfigError, type ConfigProblem } from '../errors.ts'
import type { ConfigPath } from '@sallyport/protocol/found-problem'
import type { ConfigSource } from './load-config.ts'
import { YamlFile } from '@sallyport/protocol/yaml-file'

/** @param problems of any kind; one that names no key of the file stays as it is */
export function withLines(problems: readonly ConfigProblem[], { text, source }: ConfigSource): ConfigProblem[] {
  const yaml = new YamlFile(text, source)
  return problems.map(({ path, message }) => {
    const steps = stepsOf(path)
    return steps ? yaml.located({ path: steps, message }) : { path, message }
  })
}

/** For whoever passes on what was thrown. */
export function errorWithLines(error: unknown, source: ConfigSource): unknown {
  if (!(error instanceof ConfigError)) return error
  return new ConfigError(withLines(error.problems, source), { cause: error })
}

/** `tls.certificates[0].cert_file`, as YamlFile writes it. */
function stepsOf(path: string): ConfigPath | undefined {
  if (!/^[a-z]\w*(?:\.[a-z]\w*|\[\d+\])*$/.test(path)) return undefined
  return path.split(/[.[\]]+/).flatMap((step) => (step === '' ? [] : [/^\d+$/.test(step) ? Number(step) : step]))
}
