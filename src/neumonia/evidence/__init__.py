"""Las pruebas de ``neumonia.trust`` hechas a las redes del estudio, parte por parte."""
