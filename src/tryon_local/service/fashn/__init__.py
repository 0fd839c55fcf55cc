"""The stand-in of FASHN's virtual try-on."""
