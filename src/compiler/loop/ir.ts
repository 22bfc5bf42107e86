/**
 * The loop IR: what every kernel is lowered to, and what every renderer spells out.
 * A small structured language over one byte-addressed memory: mutable locals, counted loops, loads, stores.
 * There are no float scalars: a float scalar is a vector whose lanes agree (`splat` load, `one` store), so that each
 * rounding is the same in WebAssembly, in C at any width and in the interpreter.
 * Not here: tensors, shapes, layouts (the lowering turns them into addresses), or how a machine spells an operation.
 */
import type { AluOp } from '../../base/index.js'

/** i32: addresses and counters. f32v / i32v: one vector of the kernel's `lanes`; masks are i32v of all ones or all zeros. */
export type Type = 'i32' | 'f32v' | 'i32v'

/** A local of a kernel; created by its builder, unique within the kernel. */
export interface Var {
  readonly id: number
  readonly type: Type
  readonly name: string
}

/** The scalar operations; their types and meaning are base/alu.ts. */
export type { AluOp }

export type Expr =
  | { readonly k: 'int'; readonly value: number } // i32
  | { readonly k: 'float'; readonly value: number } // f32v, all lanes
  | { readonly k: 'var'; readonly v: Var }
  | { readonly k: 'addr'; readonly buffer: number } // i32: where the kernel's buffer number `buffer` begins, in bytes
  | { readonly k: 'n' } // i32: the number of real pictures in the batch
  | { readonly k: 'iota' } // i32v: 0, 1, 2, …
  | { readonly k: 'splat'; readonly value: Expr } // i32 → i32v
  | { readonly k: 'load'; readonly type: Type; readonly mem: LoadKind; readonly at: Expr; readonly offset: number }
  | { readonly k: 'alu'; readonly op: AluOp; readonly type: Type; readonly args: readonly Expr[] }

/**
 * i32: four bytes → i32. u8: one byte → i32. vec: a whole vector (unaligned allowed). splat: four bytes → all lanes.
 * `at` is a byte address (i32), `offset` a constant ≥ 0 added to it.
 */
export type LoadKind = 'i32' | 'u8' | 'vec' | 'splat'

/** vec: a whole vector. one: lane 0 as four bytes. i32: an i32 as four bytes. */
export type StoreKind = 'vec' | 'one' | 'i32'

export type Stmt =
  | { readonly k: 'set'; readonly v: Var; readonly value: Expr } // the first `set` in text order declares
  | { readonly k: 'store'; readonly mem: StoreKind; readonly at: Expr; readonly offset: number; readonly value: Expr }
  /** Runs the body `count` times (0 and less: not at all). With `v`: v = from, from + step, … in turn. */
  | { readonly k: 'loop'; readonly count: Expr; readonly body: readonly Stmt[] }
  | {
      readonly k: 'for'
      readonly v: Var
      readonly from: Expr
      readonly to: Expr
      readonly step: number
      readonly body: readonly Stmt[]
    }
  | { readonly k: 'if'; readonly cond: Expr; readonly body: readonly Stmt[]; readonly otherwise: readonly Stmt[] }
  /** out[i] lane j = in[j] lane i; as many vectors as lanes (lanes = 4). All of f32v or all of i32v. */
  | { readonly k: 'transpose'; readonly out: readonly Var[]; readonly from: readonly Expr[] }
  /** Four bytes at each lane's address: out[j] (i32v, j = 0…3) lane l = byte j at at[l] + offset. */
  | { readonly k: 'bytes4'; readonly out: readonly Var[]; readonly at: readonly Expr[]; readonly offset: number }

export type Access = 'read' | 'write' | 'both'

/**
 * How a kernel's work is cut: into ⌈n / pictures⌉ blocks of so many pictures each (a power of two), each block one unit or
 * as many as it has parts; or into a fixed number. `together`: a call reads as much for one unit as for many, so that each
 * member should do its share in one call.
 */
export type Units =
  | { readonly pictures: number; readonly parts?: Parts }
  | { readonly count: number; readonly together?: true }

/**
 * How a block of pictures is cut by channels or rows: part p of `count` (a power of two) is the pieces from
 * ⌊p · pieces / count⌋ to before those of part p + 1. Unit u is part u mod count of block ⌊u / count⌋.
 */
export interface Parts {
  readonly count: number
  readonly pieces: number
}

/**
 * One kernel. It works on `units` independent pieces: a call does the pieces lo … hi−1, so a team can share them.
 * `buffers[i]` tells how buffer i is used; the program says which slot of the address table it is.
 */
export interface LoopKernel {
  readonly name: string
  readonly lanes: number
  readonly buffers: readonly Access[]
  readonly units: Units
  readonly lo: Var
  readonly hi: Var
  readonly body: readonly Stmt[]
  /** Multiply-adds ×2 of the dense algorithm for a batch of n: what benchmarks count. */
  readonly flops: (n: number) => number
}

/**
 * The kernels of one step in order; one that is there several times (see same.ts) is one piece of code, called on other
 * buffers. Slot 0 of the address table (i32 words in memory) holds n; buffer b of kernel k begins at the byte address in
 * word slots[k][b] of the table. All words are set by the caller.
 */
export interface Program {
  readonly kernels: readonly LoopKernel[]
  readonly slots: readonly (readonly number[])[]
  readonly slotCount: number
  /** barriers[i]: a team meets before kernel i, which reads or overwrites what other members write before it. */
  readonly barriers: readonly boolean[]
  /**
   * joins[i]: members who do parts of the same pictures meet before kernel i, which reads or overwrites what they write of
   * these pictures since they met last. Default: before every kernel.
   */
  readonly joins?: readonly boolean[]
}
