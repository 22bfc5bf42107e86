/** Names of layers and models as Keras gives them: conv2d, conv2d_1, … Not here: names that people choose. */

/** Conv2D → conv2d, MaxPooling2D → max_pooling2d. Source: keras.src.utils.naming.to_snake_case. */
export const snakeCase = (name: string): string =>
  name
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()

/** 'hard_sigmoid' as 'hardSigmoid'. */
export type CamelCase<S extends string> = S extends `${infer Head}_${infer Rest}`
  ? `${Head}${Capitalize<CamelCase<Rest>>}`
  : S

/** 'meanSquaredError' and 'MeanSquaredError' as 'mean_squared_error'. */
export type SnakeCase<S extends string> = S extends `${infer Head}${infer Rest}`
  ? `${Lowercase<Head>}${Humps<Rest>}`
  : S

type Humps<S extends string> = S extends `${infer Head}${infer Rest}`
  ? `${Head extends Lowercase<Head> ? Head : `_${Lowercase<Head>}`}${Humps<Rest>}`
  : S

const given = new Map<string, number>()

/** The next free name of a class: the first has no number. */
export function nextName(className: string): string {
  const name = snakeCase(className)
  const count = given.get(name) ?? 0
  given.set(name, count + 1)
  return count === 0 ? name : `${name}_${count}`
}

/** Counts names anew. Source: keras.utils.clear_session. */
export function clearSession(): void {
  given.clear()
}

/** sparseCategoricalCrossentropy, SparseCategoricalCrossentropy and sparse_categorical_crossentropy are one name. */
export const sameName = (name: string): string => name.replaceAll('_', '').toLowerCase()
