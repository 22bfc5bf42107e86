/** Pictures of tensors as PNG files. Source: torchvision.utils.save_image. */
import { writeFileAtomic } from '../base/fs.node.js'
import { makeGrid, type GridOptions } from './loaderGrid.js'
import { encodePng } from './pictures.node.js'
import type { Tensor } from '../tensor/index.js'

/**
 * Writes a PNG of one picture [C, H, W] or a grid of pictures [N, C, H, W]; values of 0 to 1, others are cut off.
 * @throws LenetError for other shapes, and when the file cannot be written
 */
export async function saveImage(images: Tensor, path: string, options: GridOptions = {}): Promise<void> {
  const grid = images.dim() === 3 && images.shape[0] === 3 ? images : makeGrid(images, options)
  const [height, width] = [grid.size(1), grid.size(2)]
  const values = grid.permute(1, 2, 0).toTypedArray() // [H, W, 3]
  const bytes = Uint8ClampedArray.from(values, (value) => value * 255)
  await writeFileAtomic(path, await encodePng(new Uint8Array(bytes.buffer), width, height))
}
