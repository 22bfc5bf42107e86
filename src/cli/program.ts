/** Commands and flags; each command's code is loaded when it is called. Not here: what commands do. */
import { Command, InvalidArgumentError } from 'commander'
import { UsageError, version } from '../base/index.js'

/** Digits only: what else Number takes (1e3, 0x10, 2.0) is a slip here. */
const whole = (least: number, hint = '') => {
  return (text: string): number => {
    const value = Number(text)
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value
    throw new InvalidArgumentError(`expected a whole number of ${least} or more${hint}`)
  }
}

const positive = whole(1)
const threads = whole(1, ' (default: all cores)')
const memory = whole(64, ' MiB')
const seed = whole(0)

const rate = (text: string): number => {
  const value = Number(text)
  if (Number.isFinite(value) && value > 0) return value
  throw new InvalidArgumentError('expected a number above 0')
}

/** An unset variable of the shell is no name: the current folder would be taken for it. */
const named = (text: string): string => {
  if (text.trim() !== '') return text
  throw new InvalidArgumentError('expected a name, got nothing')
}

const dataFlags = (command: Command): Command =>
  command
    .option('--data <set>', 'cifar10, mnist, or a folder with a folder of pictures for each class', 'cifar10')
    .option('--data-dir <folder>', 'where the data set is, or is to be put', named)

const commonFlags = (command: Command): Command => command.option('--json', 'one JSON object a line')

const memoryFlag = (command: Command): Command =>
  command.option('--memory-limit <mib>', 'MiB that values may take (default: LENET_MEMORY_LIMIT, or 4095)', memory)

const deviceFlags = (command: Command): Command =>
  memoryFlag(
    command
      .option('--device <name>', 'auto (WebAssembly, native code once it is compiled), native, wasm or interp', 'auto')
      .option('--threads <n>', 'threads that share the work; no result depends on it (default: all cores)', threads),
  )

function trainFlags(command: Command): Command {
  return commonFlags(deviceFlags(dataFlags(command)))
    .option('--model <net>', 'lenet, lenet1 or a file that exports a net', 'lenet')
    .option('--idiom <idiom>', 'torch or keras', 'torch')
    .option('--epochs <n>', 'passes over the training pictures', positive, 10)
    .option('--batch-size <n>', 'pictures in a step', positive, 32)
    .option('--optimizer <name>', 'adam, adamw or sgd', 'adam')
    .option('--lr <rate>', "learning rate (default: 0.001; of Keras' sgd 0.01)", rate)
    .option('--seed <n>', 'the same seed gives the same run', seed, 1)
    .option('--limit-train <n>', 'train on the first n pictures only', positive)
    .option('--limit-test <n>', 'evaluate on the first n test pictures only', positive)
    .option('--out <folder>', 'where to save (default: runs/torch_NET or runs/tf_NET)', named)
    .option('--resume <folder>', 'go on from the checkpoint in that folder', named)
    .option('--validate', 'evaluate on the test pictures after each epoch (keras: always)')
}

/** Part of the plan, not built yet: each says so and ends with exit code 2. */
const later = {
  web: 'open the page in a browser',
} as const

const trainHelp = `
In the folder are then torch_NET.pth or tf_NET.h5 with the names of the classes,
checkpoint.pth to go on from (--resume, with the same flags), and the curves as
PNG and SVG. Of a folder of pictures, DIR/train and DIR/test are taken as they
are; of one without these every fifth picture of a class is one to test with.`

function addTraining(program: Command): void {
  trainFlags(program.command('train').description('train a net and save it'))
    .addHelpText('after', trainHelp)
    .action(async (options) => (await import('./train.js')).trainCommand(options))
  trainFlags(program.command('start').description("the article's whole program: train with sample pictures shown"))
    .addHelpText('after', trainHelp)
    .action(async (options) => (await import('./train.js')).trainCommand({ ...options, samples: true }))
}

const normalizeHelp = "how x of 0 … 255 goes in: torch, keras, none, or MEAN/STD of x / 255 (default: the file's)"

const predictHelp = `
JPEG, PNG, GIF (its first frame) and WebP are read. A picture is turned upright
by its EXIF data, laid on black where it is transparent, and scaled to the net's
32×32. Of other proportions its middle is taken, as for training; --fit contain
takes all of it, between black bars, and --fit fill squeezes it. Digits for a
net of MNIST are light on dark.
What cannot be read is told, the others go on, and the exit code is 1.`

function addPrediction(program: Command): void {
  const command = program.command('predict').description('classify pictures with a saved net')
  commonFlags(deviceFlags(command))
    .argument('<file>', 'the saved net, of any format')
    .argument('<picture...>', 'pictures, or folders: all pictures in them')
    .option('--top <n>', 'classes told of each picture (default: 5, in a table of several pictures 1)', positive)
    .option(
      '--classes <names>',
      "class names with commas between them, or a file with one a line (default: the file's)",
    )
    .option(
      '--data <set>',
      "what the net was trained on, for class names: cifar10, mnist or a folder (default: the file's)",
    )
    .option('--fit <how>', 'of pictures of other proportions: cover, contain or fill', 'cover')
    .option('--normalize <how>', normalizeHelp)
    .option('--model <net>', 'which net the file holds, if its names do not tell')
    .addHelpText('after', predictHelp)
    .action(async (file, pictures, options) => (await import('./predict.js')).predictCommand(file, pictures, options))
}

function addInspection(program: Command): void {
  commonFlags(
    deviceFlags(
      dataFlags(
        program
          .command('evaluate')
          .description('loss and accuracy of a saved net')
          .argument('<file>', 'the saved net, of any format'),
      ),
    ),
  )
    .option('--model <net>', 'which net the file holds, if its names do not tell')
    .option('--split <split>', 'test or train', 'test')
    .option('--limit-test <n>', 'only the first n pictures', positive)
    .option('--normalize <how>', normalizeHelp)
    .action(async (file, options) => (await import('./inspect.js')).evaluateCommand(file, options))
  commonFlags(
    program.command('summary').description('layers and parameters').argument('<net>', 'lenet, lenet1 or a file'),
  )
    .option('--idiom <idiom>', "torch or keras (default: the file's, else torch)")
    .option('--model <net>', 'which net the file holds, if its names do not tell')
    .option('--plot <file>', "also draw the net's structure, as .svg or .png", named)
    .action(async (net, options) => {
      if (options.plot !== undefined) (await import('./pictureOut.js')).checkPictureName('--plot', options.plot)
      await (await import('./inspect.js')).summaryCommand(net, options)
      if (options.plot !== undefined) await (await import('./plot.js')).plotCommand(net, options)
    })
  commonFlags(dataFlags(program.command('samples').description('sample pictures as a PNG')))
    .option('--out <file>', 'the PNG to write', named, 'samples.png')
    .action(async (options) => (await import('./samples.js')).samplesCommand(options))
  commonFlags(program.command('data').description('fetch and verify a data set').argument('<set>', 'cifar10 or mnist'))
    .option('--dir <folder>', 'where it is, or is to be put', named)
    .option('--verify', 'hash everything again')
    .action(async (set, options) => (await import('./inspect.js')).dataCommand(set, options))
  commonFlags(program.command('doctor').description('what this machine offers and what is used')).action(
    async (options) => (await import('./doctor.js')).doctorCommand(options),
  )
}

const convertHelp = `
OUT ends in .pth, .safetensors, .onnx, .keras, .h5, .weights.h5 or .npz, or is a
folder for TensorFlow.js (or its model.json). Before it is written, the logits of
64 random pictures are compared with those of IN: where they differ by more than
1e-4, nothing is written and the exit code is 1.`

function addConversion(program: Command): void {
  const command = program.command('convert').description("a saved net as another program's file")
  commonFlags(memoryFlag(command))
    .argument('<in>', 'the saved net, of any format')
    .argument('<out>', 'the file to write; its ending tells the format')
    .option('--model <net>', 'which net the file holds, if its names do not tell')
    .option('--normalize <how>', normalizeHelp)
    .option(
      '--optimizer',
      'of a .pth: { model, optimizer } instead of a bare state dict; of an .h5: Keras 2 trains on from it',
    )
    .addHelpText('after', convertHelp)
    .action(async (from, to, options) => (await import('./convert.js')).convertCommand(from, to, options))
}

const compareHelp = `
Ten trainings one after the other: LeNet and LeNet1 in both idioms with their
own defaults, in Keras' idiom from PyTorch's first weights, LeNet on the way from
Keras' defaults to PyTorch's, and LeNet with SGD.`

function addComparison(program: Command): void {
  const command = program.command('compare').description('both nets in both idioms: the article as one command')
  commonFlags(deviceFlags(dataFlags(command)))
    .option('--epochs <n>', 'passes over the training pictures', positive, 10)
    .option('--seed <n>', 'the same seed gives the same figures', seed, 1)
    .option('--limit-train <n>', 'train on the first n pictures only', positive)
    .option('--limit-test <n>', 'evaluate on the first n test pictures only', positive)
    .option('--out <folder>', 'where compare.json, compare.svg and compare.png go', named, 'runs/compare')
    .addHelpText('after', compareHelp)
    .action(async (options) => (await import('./compare.js')).compareCommand(options))
}

const benchNets = 'lenet, lenet1, lenet1at128, resnet20, resnet18, vggbn64, depthwise64, mobilenet96'

function addBench(program: Command): void {
  commonFlags(program.command('bench').description('measure the speed of training and inference on this machine'))
    .option('--quick', 'one short round and fewer sizes')
    .option('--net <nets>', `of ${benchNets}, with commas (default: lenet,lenet1)`)
    .option('--plan', 'how evenly threads share a step, from its plan; nothing is run')
    .option('--threads <n>', 'for --plan', threads)
    .option('--part <parts>', 'of train, kernels, batch, width, threads and predict, with commas (default: all)')
    .option('--rounds <n>', 'rounds in which everybody has a turn', positive)
    .option('--python <path>', 'a Python with torch, or tensorflow and keras, to measure too')
    .option('--peers', 'also what npm installs (in a clone)')
    .option('--out <folder>', 'where JSON and plots go (default: nothing is written)', named)
    .action(async (options) => (await import('./bench.js')).benchCommand(options))
}

const tuneHelp = `
Tiles of convolutions and matrix products are tried one kernel at a time. What
is faster is kept in the cache folder and used from the next start on. No
result changes by it, to the last bit.`

function addTuning(program: Command): void {
  const command = program.command('tune').description('measure which tiles are fastest on this machine, and keep them')
  commonFlags(deviceFlags(command))
    .option('--model <net>', 'lenet, lenet1 or a file that exports a net', 'lenet')
    .option('--batch-size <n>', 'pictures in a step', positive, 32)
    .addHelpText('after', tuneHelp)
    .action(async (options) => (await import('./tune.js')).tuneCommand(options))
}

export function createProgram(): Command {
  const program = new Command('lenet')
  program
    .description('Trains small convolutional image classifiers in TypeScript.')
    .version(version, '-v, --version', 'the version of this program')
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
  program.showHelpAfterError(false)
  addTraining(program)
  addPrediction(program)
  addInspection(program)
  addConversion(program)
  addComparison(program)
  addBench(program)
  addTuning(program)
  for (const [name, description] of Object.entries(later)) {
    program
      .command(name)
      .description(`${description} (not yet)`)
      .argument('[args...]')
      .allowUnknownOption()
      .action(() => {
        throw new UsageError(`${name} is not built yet: it comes with a later version`)
      })
  }
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => {} })
  return program
}
