"""El estudio que resiste a un revisor: protocolos, bases, desbalance y mejores modelos."""
