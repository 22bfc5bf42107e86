/** Switches of Node that have other names in other versions. Not a test. */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

/** Starts a process that may do what other switches allow, and no more. */
export const permission = major > 23 || (major === 23 && minor >= 5) ? '--permission' : '--experimental-permission'

/** Allows native addons there; older versions need none. */
export const allowAddons = process.allowedNodeEnvironmentFlags.has('--allow-addons') ? ['--allow-addons'] : []
