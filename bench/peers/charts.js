export const chartsOf = () => [];
