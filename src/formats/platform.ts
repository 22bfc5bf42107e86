/** What file formats ask of the platform, where the platform is a browser (Node: platform.node.ts; package.json chooses). */

/** Loads a module with WebAssembly in it. */
export const compiledOnce = <T>(load: () => Promise<T>): Promise<T> => load()
