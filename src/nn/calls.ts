/**
 * Who called whom in the forward passes since the last step, so that a layer that a net uses but does not find among its
 * attributes (it is #private, or in an array, a Map, a closure) is told, and not left untrained.
 * Not here: calling (module.ts), which parameters got gradients (tensor).
 */
import { LenetError, showShape } from '../base/index.js'
import { forgetUses, keepOutput, ops, parametersInUse, type Node, type Tensor } from '../tensor/index.js'
import type { Module } from './module.js'
import { Parameter } from './parameter.js'

/** The nodes that a module's forward pass made: those above `from`, up to `to`. */
interface Call {
  readonly module: Module
  readonly from: number
  readonly to: number
}

/** So many outermost calls are remembered for those who never step. */
const mostPasses = 64

/** For each outermost call it and those within it, inner ones first. */
let passes: Call[][] = []
/** Those of the outermost call in progress, or of the last one. */
let current: Call[] = []
let root: Module | null = null

/** The modules that a net may call: those below itself, and others that a step has shown to be no part of its training. */
const known = new WeakMap<Module, WeakSet<Module>>()

/** Others that a net called, where its gradients were wanted. */
const strays = new WeakMap<Module, Set<Module>>()

/** Parameters that a net was given as its input: they are the caller's. */
const given = new WeakSet<Parameter>()

/** Runs the forward pass of `module`, which is called with `inputs`, and remembers it where gradients are prepared. */
export function noted<T>(module: Module, inputs: readonly unknown[], forward: () => T): T {
  const isRoot = root === null
  if (isRoot) {
    root = module
    current = []
    for (const input of inputs.flat()) noteGiven(input)
  }
  const from = ops.newestNode()
  if (root !== null && ops.gradEnabled()) noteCall(root, module)
  try {
    const result = forward()
    current.push({ module, from, to: ops.newestNode() })
    if (isRoot) keepOutput(result)
    if (isRoot && ops.gradEnabled()) passes.push(current)
    return result
  } finally {
    if (isRoot) root = null
    if (passes.length > mostPasses) passes = passes.slice(-mostPasses / 2)
  }
}

/** A parameter, or a layer with its parameters, that a net gets with its input. */
function noteGiven(input: unknown): void {
  if (input instanceof Parameter) given.add(input)
  else if (typeof input === 'function' && 'parameters' in input)
    for (const parameter of (input as Module).parameters()) given.add(parameter)
}

/** Remembers that `net` calls `module`, if it does not have it. */
function noteCall(net: Module, module: Module): void {
  const ofNet = known.get(net) ?? new WeakSet()
  if (ofNet.has(module)) return
  for (const part of net.modules()) ofNet.add(part)
  known.set(net, ofNet)
  if (!ofNet.has(module)) strays.set(net, (strays.get(net) ?? new Set()).add(module))
}

/** A step was taken after `net` was called: what it calls and nobody trains is detached, say. */
function acceptStrays(net: Module): void {
  const found = strays.get(net)
  for (const layer of found ?? []) {
    known.get(net)?.add(layer)
    const isTrained = layer.parameters().some((each) => each.requiresGrad && trained.has(each))
    if (!isTrained && layer.buffers().length === 0) found?.delete(layer)
  }
}

/** What a net's state lacks: of a layer that it has called and does not find, what is trained or changes with training. */
export function strayPart(net: Module): StrayError | undefined {
  const own = new Set<Tensor>([...net.parameters(), ...net.buffers()])
  for (const layer of strays.get(net) ?? []) {
    const parameters = layer.parameters().filter((each) => each.requiresGrad && !given.has(each))
    const left = [...parameters, ...layer.buffers()].find((each) => !own.has(each))
    if (left) return strayError(net, layer, left)
  }
  return undefined
}

const told = new WeakSet<Module>()

/** Tells once that the state which `net` gives lacks something: it may be kept elsewhere. */
export function tellStrays(net: Module): void {
  const part = told.has(net) ? undefined : strayPart(net)
  if (!part) return
  told.add(net)
  console.warn(`lenet: stateDict: ${part.message}`)
}

/** What was remembered has been looked at, or belongs to no step. */
export function forgetPasses(): void {
  if (passes.length > 0) passes = []
  forgetUses()
}

/** A layer in use that the net does not find. */
export class StrayError extends LenetError {
  override name = 'LenetError'
}

const remedy = (name: string): string =>
  `Make it a public attribute of ${name} (lists: nn.ModuleList or nn.Sequential; not #private, an array or a Map)`

/** To be called when a forward pass asks for the module's mode. Throws where eval() of the net has not reached it. */
export function checkMode(module: Module, training: boolean): void {
  if (!training || root === null || root === module || root.training) return
  for (const found of root.modules()) if (found === module) return
  const name = root.constructor.name
  throw new StrayError(
    `${name} is in eval mode, but not ${module.summary()}, which it uses: eval() does not find it among the attributes. ${remedy(name)}, or call its own eval()`,
  )
}

/** Parameters of optimizers, and of Keras's layers, which say themselves whether they are trained. */
const trained = new WeakSet<Tensor>()

export const noteTrained = (parameter: Tensor): unknown => trained.add(parameter)

/** For a model that knows all its weights. Throws LenetError where another parameter got a gradient in this step. */
export function refuseOthers(what: string): void {
  for (const [{ shape }] of untrained())
    throw new StrayError(
      `${what} uses a Parameter ${showShape(shape)} that no layer has among its weights: it would not be trained, nor saved. Give it back from setUp in a Weight, or freeze it with requiresGrad_(false)`,
    )
}

/** Parameters that got gradients since the last step, with a node that reads each, and that no optimizer has. */
function* untrained(): Generator<[Parameter, number]> {
  for (const [tensor, by] of parametersInUse())
    if (tensor instanceof Parameter && !trained.has(tensor)) yield [tensor, by]
}

/**
 * Throws LenetError where a net that is being trained uses a parameter that it does not find among its attributes, and
 * no optimizer has it. Other parameters may stay as they are on purpose: of a net of which a part is trained, say.
 */
export function refuseStray(): void {
  for (const [parameter, by] of untrained()) {
    const holds = ({ from, to }: Call): boolean => by > from && by <= to
    const pass = passes.find((calls) => calls.some(holds))
    const net = pass?.at(-1)?.module
    if (!net || given.has(parameter)) continue
    const own = new Set<Tensor>(net.parameters())
    if (own.has(parameter) || ![...own].some((each) => trained.has(each))) continue
    forgetPasses() // the step of another net has nothing to do with it
    throw strayError(net, pass?.find(holds)?.module, parameter)
  }
  for (const calls of passes) for (const { module } of calls.slice(-1)) acceptStrays(module)
}

/** Throws where what `net` gave, when it was called last, was made of trainable parameters that it does not find. */
export function refuseStrayBelow(net: Module, output: Node): void {
  const own = new Set<unknown>(net.parameters())
  const seen = new Set([output])
  for (const node of seen)
    for (const input of node.inputs) {
      seen.add(input)
      const { owner, requiresGrad } = input
      if (!(owner instanceof Parameter) || !requiresGrad || own.has(owner) || given.has(owner)) continue
      throw strayError(net, current.find(({ from, to }) => node.id > from && node.id <= to)?.module, owner)
    }
}

function strayError(net: Module, layer: Module | undefined, parameter: Tensor): StrayError {
  const name = net.constructor.name
  const isItsOwn = layer && [...layer.parameters(), ...layer.buffers()].some((each) => each === parameter)
  const what = isItsOwn ? layer.summary() : `a Parameter ${showShape(parameter.shape)}`
  return new StrayError(
    `${name} uses ${what}, but does not find it among its attributes: it would not be trained, nor saved. ${remedy(name)}, or freeze it with requiresGrad_(false)`,
  )
}
