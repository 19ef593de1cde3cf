// The pnpm that installs and packs; people need not install it. Plain JavaScript, for the set-up.
// Not in package.json's packageManager: pnpm 12 would then look up an executable for every platform, even for those
// without one.

export const PNPM = 'pnpm@12.21.0'
