/**
 * A set of labelled pictures in memory, whatever file they came from. Not here: how it becomes batches and tensors
 * (loader.ts), or where it comes from (cifar10.node.ts, mnist.node.ts, imageFolder.node.ts).
 */

/** `count` pictures of one size. */
export interface ImageSet {
  /** [count, channels, height, width], one byte a value (0–255). */
  readonly pixels: Uint8Array
  /** [count]: an index into `classes`. */
  readonly labels: Uint8Array
  readonly count: number
  readonly channels: number
  readonly height: number
  readonly width: number
  /** Class names, by label. */
  readonly classes: readonly string[]
}

/** How far something that takes time has come. */
export interface DataProgress {
  /** Which source is at work, as a person would name it. */
  readonly source: string
  readonly doneBytes: number
  /** 0 where it is not known. */
  readonly totalBytes: number
  /** What is going on, for a line of text. */
  readonly message: string
}
