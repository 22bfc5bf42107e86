/** How C functions are called: `lenet_abi` of every library. Raised when their parameters change; libraries of another are refused. */
export const abi = 3
