/** A tensor's elements as arrays in arrays (torch's tolist). Not here: making tensors of them (create.ts). */
import type { HostArray, Shape } from '../base/index.js'

/** Numbers nested as deep as the tensor has dimensions. */
export type Nested = number | Nested[]

/** Row-major elements by the shape; for [] the single one. */
export function nested(elements: HostArray, shape: Shape): Nested {
  let items: Nested[] = Array.from(elements)
  for (const size of shape.slice(1).reverse()) {
    items = Array.from({ length: size === 0 ? 0 : items.length / size }, (_, i) =>
      items.slice(i * size, (i + 1) * size),
    )
  }
  return shape.length === 0 ? (items[0] ?? Number.NaN) : items
}
