/**
 * Loads compiled modules of ours into a realm of their own, as jest and vitest's vm pools do: own Error, Map and arrays,
 * while packages and node: stay the outer realm's. Needs `node --experimental-vm-modules`: for child processes of tests.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import vm from 'node:vm'

const isOurs = (url: string): boolean => url.startsWith('file:') && !url.includes('/node_modules/')

function urlOf(specifier: string, parent: string): string {
  if (specifier.startsWith('.')) return new URL(specifier, parent).href
  if (specifier.startsWith('#')) return pathToFileURL(createRequire(parent).resolve(specifier)).href
  return specifier
}

async function outer(url: string, context: vm.Context): Promise<vm.Module> {
  const found = (await import(url)) as Record<string, unknown>
  const names = Object.keys(found)
  const module = new vm.SyntheticModule(names, () => names.forEach((name) => module.setExport(name, found[name])), {
    context,
    identifier: url,
  })
  return module
}

/** What a module of ours exports, loaded with all of ours that it imports into a new realm. */
export async function importInRealm(url: string): Promise<Record<string, unknown>> {
  const context = vm.createContext({})
  const inside = new Set(vm.runInContext('Object.getOwnPropertyNames(globalThis)', context) as string[])
  for (const name of Object.getOwnPropertyNames(globalThis))
    if (!inside.has(name) && name !== 'globalThis') context[name] = globalThis[name as keyof typeof globalThis]
  const modules = new Map<string, Promise<vm.Module>>()
  const get = (target: string): Promise<vm.Module> => {
    const known = modules.get(target) ?? (isOurs(target) ? own(target) : outer(target, context))
    modules.set(target, known)
    return known
  }
  const link = (specifier: string, parent: vm.Module): Promise<vm.Module> => get(urlOf(specifier, parent.identifier))
  const own = async (target: string): Promise<vm.Module> =>
    new vm.SourceTextModule(readFileSync(fileURLToPath(target), 'utf8'), {
      context,
      identifier: target,
      initializeImportMeta: (meta) => void (meta.url = target),
      importModuleDynamically: async (specifier) => {
        const module = await get(urlOf(specifier, target))
        await ready(module)
        return module
      },
    })
  const ready = async (module: vm.Module): Promise<void> => {
    if (module.status === 'unlinked') await module.link(link)
    if (module.status === 'linked') await module.evaluate()
  }
  const module = await get(url)
  await ready(module)
  return module.namespace as Record<string, unknown>
}
