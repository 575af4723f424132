"""What belongs beside images and is no image: recordings of pulse and breathing, events, lists of what ASL measured.

Comes in: what scanners and laboratories wrote beside the DICOM images. Goes out: files of BIDS with the names of the
images that they belong to. Nothing is guessed: what cannot be read, or fits no image, is told with the reason.
"""
