"""El laboratorio: los experimentos largos detrás de las tablas publicadas."""
