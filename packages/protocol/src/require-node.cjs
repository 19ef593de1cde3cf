// Checks that this Node.js is new enough, before an installed command loads anything else. Written in JavaScript of
// 2009, which every Node.js reads, so that an old one prints a sentence and not a syntax error. `npm run build` puts it
// beside each command.
'use strict'

/**
 * Ends the process with one sentence and exit code 2 if this Node.js is too old.
 * @param {string} command as it was typed
 * @param {string} range of `engines` in package.json: `>=22.15`
 */
module.exports = function requireNode(command, range) {
  var wanted = range.replace('>=', '')
  if (!isOlder(process.versions.node, wanted)) return
  process.stderr.write(
    command +
      ' needs Node.js ' +
      wanted +
      ' or later, and this is ' +
      process.versions.node +
      ' (' +
      process.execPath +
      '). Install a newer one from https://nodejs.org, or put one that you have first into PATH.\n',
  )
  process.exit(2)
}

/** Whether `22.9.0` is older than `22.15`: number by number, as far as both go. */
function isOlder(version, wanted) {
  var has = version.split('.')
  var wants = wanted.split('.')
  for (var index = 0; index < wants.length; index++) {
    var difference = Number(has[index]) - Number(wants[index])
    if (difference !== 0) return difference < 0
  }
  return false
}
